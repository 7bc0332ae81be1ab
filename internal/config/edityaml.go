package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlText changes YAML: comments and the order of keys stay, empty lines and the width of indents do not.
type yamlText struct{}

// document is a YAML file with its list of runners.
type document struct {
	comments []byte // of a file that holds nothing else
	top      yaml.Node
	runners  *yaml.Node
}

func readDocument(data []byte) (*document, error) {
	d := &document{}
	if err := yaml.Unmarshal(data, &d.top); err != nil {
		return nil, err
	}
	if len(d.top.Content) == 0 || d.top.Content[0].Kind != yaml.MappingNode { // an empty file
		// YAML ends lines with a carriage return, too.
		for line := range strings.FieldsFuncSeq(string(data), func(r rune) bool { return r == '\n' || r == '\r' }) {
			if isComment([]byte(line)) {
				d.comments = append(append(d.comments, line...), '\n')
			}
		}
		d.top = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	top := d.top.Content[0]
	if _, d.runners = pair(top, "runners"); d.runners == nil {
		d.runners = &yaml.Node{Kind: yaml.SequenceNode}
		top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "runners"}, d.runners)
	}
	if d.runners.Kind != yaml.SequenceNode { // nothing behind the colon, or an alias
		if d.runners.ShortTag() != "!!null" {
			return nil, fmt.Errorf("line %d: runners is not written as a list here, which cannot be changed: begin each runner with a dash", d.runners.Line)
		}
		*d.runners = yaml.Node{Kind: yaml.SequenceNode, HeadComment: d.runners.HeadComment, FootComment: d.runners.FootComment}
	}
	return d, nil
}

// pair finds a key of a mapping, in any case: its index and its value.
func pair(mapping *yaml.Node, key string) (int, *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if strings.EqualFold(mapping.Content[i].Value, key) {
			return i, mapping.Content[i+1]
		}
	}
	return -1, nil
}

func (d *document) text() ([]byte, error) {
	var b bytes.Buffer
	b.Write(d.comments)
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&d.top); err != nil {
		return nil, err
	}
	return b.Bytes(), encoder.Close()
}

func (yamlText) set(data []byte, runner int, keys []entry) ([]byte, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	r := d.runners.Content[runner]
	if r.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: the runner is an alias, which cannot be changed: write its keys out", r.Line)
	}
	behind := len(r.Content)
	if i, _ := pair(r, "token"); i >= 0 {
		behind = i + 2
	}
	for _, key := range keys {
		value := toYAML(key.value)
		i, old := pair(r, key.key)
		if old != nil {
			value.LineComment = old.LineComment
			r.Content[i+1] = value
			continue
		}
		r.Content = slices.Insert(r.Content, behind, &yaml.Node{Kind: yaml.ScalarNode, Value: key.key}, value)
		behind += 2
	}
	return d.text()
}

func (yamlText) remove(data []byte, runner int) ([]byte, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	d.runners.Content = slices.Delete(d.runners.Content, runner, runner+1)
	return d.text()
}

func (yamlText) add(data []byte, runner *node) ([]byte, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	d.runners.Style = 0 // the [] of an empty list would have the runner on one line
	d.runners.Content = append(d.runners.Content, toYAML(runner))
	return d.text()
}

// toYAML makes a YAML value. Strings are quoted, since many words, such as no, are something else in YAML.
func toYAML(n *node) *yaml.Node {
	y := &yaml.Node{Kind: yaml.ScalarNode, Value: n.text}
	switch n.kind {
	case Text:
		y.Tag, y.Style = "!!str", yaml.DoubleQuotedStyle
	case List:
		y.Kind, y.Value = yaml.SequenceNode, ""
		for _, item := range n.items {
			y.Content = append(y.Content, toYAML(item))
		}
	case Table:
		y.Kind, y.Value = yaml.MappingNode, ""
		for _, e := range n.entries {
			y.Content = append(y.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: e.key}, toYAML(e.value))
		}
	}
	return y
}
