package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML makes the tree of a TOML document. The ordinary decoder runs first, for it knows the rules of the language,
// such as that no key may come twice; it does not tell the lines of what it has read, which the tree is for.
func parseTOML(data []byte, p *problems) *node {
	var syntax *toml.DecodeError
	if err := toml.Unmarshal(data, new(map[string]any)); errors.As(err, &syntax) {
		line, _ := syntax.Position()
		p.fail(line, strings.Join(syntax.Key(), "."), "%s", explain(syntax))
		return nil
	} else if err != nil {
		p.fail(0, "", "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return nil
	}

	root := &node{kind: Table, line: 1}
	current := root
	parser := tomlParser{ends: lineEnds(data)}
	parser.Reset(data)
	for parser.NextExpression() {
		switch e := parser.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			current = parser.header(root, e)
		case unstable.KeyValue:
			parser.keyValue(current, e)
		}
	}
	return root
}

// explain makes a sentence of what the decoder says, without the text of the file, which may be a secret.
func explain(syntax *toml.DecodeError) string {
	message := strings.TrimPrefix(syntax.Error(), "toml: ")
	switch {
	case len(syntax.Key()) > 0:
		return message
	case strings.Contains(message, "at start of value") || strings.Contains(message, "expected newline"):
		return "this is not TOML: " + message + "; a text has to be in quotes, and a key on a line of its own"
	}
	return "this is not TOML: " + message
}

type tomlParser struct {
	unstable.Parser
	ends []int // where each line ends: the parser itself counts from the top of the file each time it is asked
}

func lineEnds(data []byte) (ends []int) {
	for i, b := range data {
		if b == '\n' {
			ends = append(ends, i)
		}
	}
	return ends
}

// header finds or makes the table that [a.b] or [[a.b]] names.
func (p *tomlParser) header(root *node, e *unstable.Node) *node {
	current := root
	keys := e.Key()
	for keys.Next() {
		key, line := string(keys.Node().Data), p.line(keys.Node())
		if keys.IsLast() && e.Kind == unstable.ArrayTable {
			return current.appendTable(key, line)
		}
		current = current.subtable(key, line)
	}
	return current
}

// keyValue adds a.b = value to the table.
func (p *tomlParser) keyValue(current *node, e *unstable.Node) {
	keys := e.Key()
	for keys.Next() {
		key, line := string(keys.Node().Data), p.line(keys.Node())
		if keys.IsLast() {
			current.entries = append(current.entries, entry{key, line, p.value(e.Value(), line)})
			return
		}
		current = current.subtable(key, line)
	}
}

// value makes the node of a value. Not every value knows where it is: those that do not are on the line of their key.
func (p *tomlParser) value(v *unstable.Node, line int) *node {
	if v.Raw.Length > 0 {
		line = p.line(v)
	}
	n := &node{kind: tomlKind(v.Kind), line: line, text: string(v.Data)}
	switch children := v.Children(); v.Kind {
	case unstable.Array:
		for children.Next() {
			n.items = append(n.items, p.value(children.Node(), line))
		}
	case unstable.InlineTable:
		for children.Next() {
			p.keyValue(n, children.Node())
		}
	}
	return n
}

func (p *tomlParser) line(n *unstable.Node) int {
	before, _ := slices.BinarySearch(p.ends, int(n.Raw.Offset))
	return before + 1
}

func tomlKind(k unstable.Kind) Kind {
	switch k {
	case unstable.String:
		return Text
	case unstable.Bool:
		return Boolean
	case unstable.Integer:
		return Integer
	case unstable.Float:
		return Float
	case unstable.Array:
		return List
	case unstable.InlineTable:
		return Table
	}
	return Moment
}

// subtable is the table under that key: of an array of tables its last one, and a new one where there is none.
func (n *node) subtable(key string, line int) *node {
	for _, e := range n.entries {
		if e.key != key {
			continue
		}
		if items := e.value.items; len(items) > 0 {
			return items[len(items)-1]
		}
		return e.value
	}
	sub := &node{kind: Table, line: line}
	n.entries = append(n.entries, entry{key, line, sub})
	return sub
}

// appendTable adds a table to the array of tables under that key.
func (n *node) appendTable(key string, line int) *node {
	sub := &node{kind: Table, line: line}
	for _, e := range n.entries {
		if e.key == key {
			e.value.items = append(e.value.items, sub)
			return sub
		}
	}
	n.entries = append(n.entries, entry{key, line, &node{kind: List, line: line, items: []*node{sub}}})
	return sub
}
