package config

import "strings"

// kind is what a value is in the file's own notation, named as a message to the operator names it.
type kind string

const (
	null    kind = "nothing"
	text    kind = "a string"
	integer kind = "an integer"
	float   kind = "a number with a point"
	boolean kind = "true or false"
	moment  kind = "a date and time"
	list    kind = "a list"
	table   kind = "a table"
)

// node is one value of the file, whichever notation it is written in.
type node struct {
	kind    kind
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
	case text:
		return n.text == ""
	case integer, float:
		return strings.Trim(n.text, "+-0._xob") == ""
	case boolean:
		return n.text == "false"
	case moment:
		return strings.HasPrefix(n.text, "0001-01-01")
	}
	return true
}
