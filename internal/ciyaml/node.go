package ciyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on what aliases may multiply a file to: GitLab stops at 2 MB of memory per file and 100 levels.
const (
	maxNodes = 100_000
	maxDepth = 100
)

// node is a YAML value without aliases and merge keys.
type node struct {
	line    int
	kind    yaml.Kind // ScalarNode, SequenceNode or MappingNode
	tag     string    // short tag of a scalar: !!str, !!int, ...
	value   string    // text of a scalar
	quoted  bool      // a scalar in quotes or in block form
	items   []node    // of a sequence
	entries []entry   // of a mapping, in order
}

type entry struct {
	key   string
	line  int
	value node
}

func (n node) isNull() bool { return n.kind == yaml.ScalarNode && n.tag == "!!null" }

// get gives the value of a key; a null value counts as absent, as in GitLab.
func (n node) get(key string) (node, bool) {
	for _, e := range n.entries {
		if e.key == key && !e.value.isNull() {
			return e.value, true
		}
	}
	return node{}, false
}

// describe names what a value is, for error messages.
func (n node) describe() string {
	switch {
	case n.kind == yaml.MappingNode:
		return "a mapping"
	case n.kind == yaml.SequenceNode:
		return "a list"
	case n.isNull():
		return "empty"
	case n.tag == "!!str":
		return "a string"
	case n.tag == "!!int", n.tag == "!!float":
		return "a number"
	case n.tag == "!!bool":
		return "a boolean"
	}
	return "of type " + strings.TrimPrefix(n.tag, "!!")
}

// source is the file that is read. It is where single values are read (scalar.go) and every error comes from.
type source struct{ file string } // its name

// errorf makes an error that says where in the file.
func (s source) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", s.file, line, fmt.Sprintf(format, args...))
}

// resolver turns YAML nodes into nodes and counts what it makes.
type resolver struct {
	source
	count int
}

// document reads the one document of a file.
func (r *resolver) document(data []byte) (node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return node{}, r.errorf(1, "the file is empty: it needs at least one job")
	case err != nil:
		return node{}, r.syntaxError(err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return node{}, r.errorf(second.Line, "a second YAML document (---) is not supported by exec yet")
	case !errors.Is(err, io.EOF):
		return node{}, r.syntaxError(err)
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return node{}, r.errorf(1, "the file is empty: it needs at least one job")
	}
	return r.resolve(document.Content[0], 0)
}

// syntaxError moves the line number of the yaml module's text to the front.
func (r *resolver) syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	match := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(text)
	if match == nil {
		return r.errorf(1, "not valid YAML: %s", text)
	}
	line, _ := strconv.Atoi(match[1])
	return r.errorf(line, "not valid YAML: %s", match[2])
}

func (r *resolver) resolve(n *yaml.Node, depth int) (node, error) {
	line := n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if r.count++; r.count > maxNodes || depth > maxDepth {
		return node{}, r.errorf(line, "too large: aliases multiply it beyond %d values or %d levels", maxNodes, maxDepth)
	}
	if tag := n.ShortTag(); !strings.HasPrefix(tag, "!!") {
		return node{}, r.errorf(line, "tag %q is not supported by exec yet", tag)
	}
	out := node{line: n.Line, kind: n.Kind}
	switch n.Kind {
	case yaml.ScalarNode:
		out.tag, out.value, out.quoted = n.ShortTag(), n.Value, n.Style != 0
		return out, nil
	case yaml.SequenceNode:
		for _, item := range n.Content {
			value, err := r.resolve(item, depth+1)
			if err != nil {
				return node{}, err
			}
			out.items = append(out.items, value)
		}
		return out, nil
	case yaml.MappingNode:
		return r.mapping(n, out, depth)
	}
	return node{}, r.errorf(line, "unexpected YAML")
}

// mapping resolves a mapping. As in the YAML reader of GitLab, and unlike the YAML specification, a merge key overrides
// the keys written before it.
func (r *resolver) mapping(n *yaml.Node, out node, depth int) (node, error) {
	written := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		value, err := r.resolve(n.Content[i+1], depth+1)
		if err != nil {
			return node{}, err
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return node{}, r.errorf(key.Line, "a key must be a plain word")
		}
		if key.Tag == "!!merge" {
			if err := r.merge(&out, value); err != nil {
				return node{}, err
			}
			continue
		}
		if first, twice := written[key.Value]; twice {
			return node{}, r.errorf(key.Line, "key %q is already in line %d", key.Value, first)
		}
		written[key.Value] = key.Line
		out.set(entry{key: key.Value, line: key.Line, value: value})
	}
	return out, nil
}

// merge copies the entries of one mapping, or of a list of mappings where the first one wins.
func (r *resolver) merge(into *node, from node) error {
	switch from.kind {
	case yaml.MappingNode:
		for _, e := range from.entries {
			into.set(e)
		}
		return nil
	case yaml.SequenceNode:
		for i := len(from.items) - 1; i >= 0; i-- {
			if from.items[i].kind != yaml.MappingNode {
				return r.errorf(from.items[i].line, "<< needs mappings, this is %s", from.items[i].describe())
			}
			if err := r.merge(into, from.items[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return r.errorf(from.line, "<< needs a mapping, this is %s", from.describe())
}

func (n *node) set(e entry) {
	for i := range n.entries {
		if n.entries[i].key == e.key {
			n.entries[i] = e
			return
		}
	}
	n.entries = append(n.entries, e)
}
