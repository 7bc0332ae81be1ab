package config

import "strings"

// Kind is what a value is in the file's own notation, named as a message to the operator names it.
type Kind string

const (
	Null    Kind = "nothing"
	Text    Kind = "a string"
	Integer Kind = "an integer"
	Float   Kind = "a number with a point"
	Boolean Kind = "true or false"
	Moment  Kind = "a date and time"
	List    Kind = "a list"
	Table   Kind = "a table"
)

// node is one value of the file, whichever notation it is written in.
type node struct {
	kind    Kind
	line    int
	text    string // of a scalar: strings without quotes and escapes, everything else as written
	items   []*node
	entries []entry
}

// entry is one key of a table. A key may come twice: the decoder finds that out, since two spellings may mean one key.
type entry struct {
	key   string
	line  int
	value *node
}

// child is the value of the first entry with that key in any case, or nil; n may be nil or no table.
func (n *node) child(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if strings.EqualFold(e.key, key) {
			return e.value
		}
	}
	return nil
}

// isZero tells a value that says nothing: nothing, false, 0, empty, the year 1, or tables and lists of only such values.
func (n *node) isZero() bool {
	for _, item := range n.items {
		if !item.isZero() {
			return false
		}
	}
	for _, e := range n.entries {
		if !e.value.isZero() {
			return false
		}
	}
	switch n.kind {
	case Text:
		return n.text == ""
	case Integer, Float:
		return strings.Trim(n.text, "+-0._xob") == ""
	case Boolean:
		return n.text == "false"
	case Moment:
		return strings.HasPrefix(n.text, "0001-01-01")
	}
	return true
}
