package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML makes the tree of a YAML document. As with TOML the ordinary decoder runs first: it knows the rules of the
// language, and refuses keys that come twice, anchors that contain themselves and aliases that grow without bound.
func parseYAML(data []byte, p *problems) *node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && doc.Content[0].ShortTag() == "!!null" {
		return &node{kind: Table, line: 1}
	}
	if err == nil {
		err = doc.Decode(new(any))
	}
	if err == nil && !errors.Is(decoder.Decode(&more), io.EOF) {
		p.fail(more.Line, "", "the file holds more than one document: keep one, without a line of ---")
		return nil
	}
	if err != nil {
		p.failYAML(err, data, &doc)
		return nil
	}
	root := p.fromYAML(doc.Content[0])
	if root.kind != Table {
		p.fail(root.line, "", "expected keys and values, found %s", root.kind)
		return nil
	}
	return root
}

// failYAML takes the line out of the decoder's messages, which have it in their text only, or not at all.
func (p *problems) failYAML(err error, data []byte, doc *yaml.Node) {
	messages := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		messages = several.Errors
	}
	for _, message := range messages {
		message = strings.TrimPrefix(message, "yaml: ")
		line := 1 // of the depth of the whole file no line is told
		if _, err := fmt.Sscanf(message, "line %d:", &line); err == nil {
			_, message, _ = strings.Cut(message, ": ")
		} else if _, name, ok := strings.Cut(message, "anchor '"); ok {
			name, _, _ = strings.Cut(name, "'")
			before, _, _ := bytes.Cut(data, []byte("*"+name))
			line = 1 + bytes.Count(before, []byte("\n"))
		} else if key := oddKey(doc); key != nil {
			line, message = key.Line, "expected a word as key, found a list or a table"
		}
		p.fail(line, "", "this is not YAML as a configuration has it: %s", message)
	}
}

// oddKey finds a key that is no word, of which the decoder does not tell the line.
func oddKey(n *yaml.Node) *yaml.Node {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind != yaml.ScalarNode && child.Kind != yaml.AliasNode {
			return child
		}
		if found := oddKey(child); found != nil {
			return found
		}
	}
	return nil
}

func (p *problems) fromYAML(y *yaml.Node) *node {
	if y.Kind == yaml.AliasNode {
		n := p.fromYAML(y.Alias)
		n.line = y.Line
		return n
	}
	n := &node{kind: yamlKind(y), line: y.Line, text: y.Value}
	switch n.kind {
	case List:
		for _, item := range y.Content {
			n.items = append(n.items, p.fromYAML(item))
		}
	case Table:
		for i := 0; i+1 < len(y.Content); i += 2 {
			key, value := y.Content[i], y.Content[i+1]
			if key.ShortTag() == "!!merge" {
				p.fail(key.Line, key.Value, "merge keys are not supported: write the keys out, or use an alias for the whole table")
				continue
			}
			n.entries = append(n.entries, entry{key.Value, key.Line, p.fromYAML(value)})
		}
	}
	return n
}

func yamlKind(y *yaml.Node) Kind {
	switch y.ShortTag() {
	case "!!null":
		return Null
	case "!!bool":
		return Boolean
	case "!!int":
		return Integer
	case "!!float":
		return Float
	case "!!timestamp":
		return Moment
	case "!!seq":
		return List
	case "!!map":
		return Table
	}
	return Text
}
