package config

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Draft is a runner's table that is being made: what register was told, what a template adds, what GitLab answered.
type Draft struct{ root node }

// Set gives a key of [[runners]] its value; a list or a table of strings takes several, those of a table as name:value. What
// was set before is replaced. The errors say what is expected of the value; whether it fits the key, Runner tells.
func (d *Draft) Set(k Key, values ...string) error {
	n := &node{kind: k.Kind}
	switch {
	case k.Kind == List:
		for _, value := range values {
			n.items = append(n.items, &node{kind: k.Of, text: value})
		}
	case k.Kind == Table:
		for _, value := range values {
			if err := n.setPair(k.Of, value); err != nil {
				return err
			}
		}
	case len(values) != 1:
		return fmt.Errorf("expected one value, found %d", len(values))
	default:
		text, err := scalar(k.Kind, values[0])
		if err != nil {
			return err
		}
		n.text = text
	}
	d.put(k.Path, n)
	return nil
}

// setPair adds name:value to a table; a list in it takes one more value.
func (n *node) setPair(of Kind, pair string) error {
	name, value, ok := strings.Cut(pair, ":")
	if !ok || name == "" {
		return fmt.Errorf("expected name:value, found %q", pair)
	}
	if of == List {
		if known := n.child(name); known != nil {
			known.items = append(known.items, &node{kind: Text, text: value})
			return nil
		}
		n.entries = append(n.entries, entry{key: name, value: &node{kind: List, items: []*node{{kind: Text, text: value}}}})
		return nil
	}
	text, err := scalar(of, value)
	if err != nil {
		return err
	}
	for i := range n.entries {
		if n.entries[i].key == name {
			n.entries[i].value.text = text
			return nil
		}
	}
	n.entries = append(n.entries, entry{key: name, value: &node{kind: of, text: text}})
	return nil
}

// scalar is a value of a command line as the file has it.
func scalar(kind Kind, value string) (string, error) {
	switch kind {
	case Integer:
		if _, err := parseInteger(value); err != nil {
			return "", fmt.Errorf("expected a whole number, found %q", value)
		}
	case Boolean:
		truth, err := strconv.ParseBool(value)
		if err != nil {
			return "", fmt.Errorf("expected true or false, found %q", value)
		}
		return strconv.FormatBool(truth), nil
	}
	return value, nil
}

// put sets a key by its path below runners, and makes the tables on the way.
func (d *Draft) put(path string, n *node) {
	d.root.kind = Table
	current := &d.root
	names := strings.Split(strings.TrimPrefix(path, "runners."), ".")
	for _, name := range names[:len(names)-1] {
		current = current.subtable(name, 0)
	}
	name := names[len(names)-1]
	for i, e := range current.entries {
		if strings.EqualFold(e.key, name) {
			current.entries[i].value = n
			return
		}
	}
	current.entries = append(current.entries, entry{key: name, value: n})
}

// SetText sets a string by its path below runners, such as docker.image.
func (d *Draft) SetText(path, value string) { d.put(path, &node{kind: Text, text: value}) }

// SetIdentity notes what GitLab knows the runner by. A zero id is left out.
func (d *Draft) SetIdentity(id int64, token string, obtained, expires time.Time) {
	if id != 0 {
		d.put("id", &node{kind: Integer, text: strconv.FormatInt(id, 10)})
	}
	d.SetText("token", token)
	d.put("token_obtained_at", moment(obtained))
	d.put("token_expires_at", moment(expires))
}

// Fill adds what a template has and the draft has not, key by key; its token does not count. A template is a file with
// exactly one [[runners]].
func (d *Draft) Fill(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	p := &problems{file: path}
	root := p.tree(data)
	if _, err := p.result(); err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	runners := root.child("runners")
	if runners == nil || len(runners.items) != 1 {
		return fmt.Errorf("read the template %s: expected exactly one [[runners]] table in it", path)
	}
	d.root.kind = Table
	d.root.fill(runners.items[0], "token")
	return nil
}

// fill takes over the entries of another table that this one does not have, but for one key.
func (n *node) fill(from *node, but string) {
	for _, e := range from.entries {
		known := n.child(e.key)
		switch {
		case strings.EqualFold(e.key, but):
		case known == nil:
			n.entries = append(n.entries, e)
		case known.kind == Table && e.value.kind == Table:
			known.fill(e.value, "")
		}
	}
}

// Has says whether a key is set, by its path below runners.
func (d *Draft) Has(path string) bool { return d.find(path) != nil }

// Text is the value of a string, by its path below runners; empty if it is not set.
func (d *Draft) Text(path string) string {
	if n := d.find(path); n != nil {
		return n.text
	}
	return ""
}

func (d *Draft) find(path string) *node {
	n := &d.root
	for name := range strings.SplitSeq(path, ".") {
		n = n.child(name)
	}
	return n
}

// Runner is the draft as a file with it would be read: with what is suspicious in it, or what is wrong.
func (d *Draft) Runner(env func(string) string) (*Runner, []Warning, error) {
	p := &problems{file: "the new runner"}
	r := DefaultRunner()
	d.root.kind = Table
	(&decoder{p}).table(&d.root, reflect.ValueOf(&r).Elem(), "runners.")
	if len(p.errors) == 0 {
		r.expand(env)
		p.validateRunner(&r, &d.root)
	}
	warnings, err := p.result()
	if err != nil {
		return nil, warnings, err
	}
	return &r, warnings, nil
}

// Config is a configuration of this one runner, as if it stood in a file of the directory dir.
func (d *Draft) Config(dir string, env func(string) string) (*Config, []Warning, error) {
	d.root.kind = Table
	p := &problems{file: "the runner of the command line"}
	root := &node{kind: Table, entries: []entry{{key: "runners", value: &node{kind: List, items: []*node{&d.root}}}}}
	return p.config(root, env, func(p *problems, r *Runner, n *node) { surroundings(p, dir, r, n, env) })
}

// AddCacheVolume adds the volume /cache, as gitlab-runner's register does, unless there is one that ends so or disable_cache
// is set.
func (d *Draft) AddCacheVolume() {
	if n := d.find("docker.disable_cache"); n != nil && n.text == "true" {
		return
	}
	volumes := &node{kind: List}
	if n := d.find("docker.volumes"); n != nil {
		volumes.items = n.items
	}
	for _, item := range volumes.items {
		if strings.HasSuffix(item.text, "/cache") {
			return
		}
	}
	volumes.items = append(volumes.items, &node{kind: Text, text: "/cache"})
	d.put("docker.volumes", volumes)
}
