package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// tomlTable writes what a table holds, as it stands below its header: first its own keys, then the tables in it.
func tomlTable(path string, n *node) (string, error) {
	var own, below strings.Builder
	indent := strings.Repeat("  ", strings.Count(path, ".")+1)
	for _, e := range n.entries {
		key := tomlKey(e.key)
		full := path + "." + key
		tables, opening := []*node{e.value}, indent+"["+full+"]\n"
		switch {
		case e.value.kind == Table:
		case e.value.kind == List && len(e.value.items) > 0 && e.value.items[0].kind == Table:
			tables, opening = e.value.items, indent+"[["+full+"]]\n"
		default:
			value, err := tomlValue(e.value)
			if err != nil {
				return "", fmt.Errorf("%s: %w", full, err)
			}
			fmt.Fprintf(&own, "%s%s = %s\n", indent, key, value)
			continue
		}
		for _, table := range tables {
			text, err := tomlTable(full, table)
			if err != nil {
				return "", err
			}
			below.WriteString(opening + text)
		}
	}
	return own.String() + below.String(), nil
}

// tomlValue writes a value on one line.
func tomlValue(n *node) (string, error) {
	switch n.kind {
	case Text:
		return tomlString(n.text)
	case List:
		var items []string
		for _, item := range n.items {
			text, err := tomlValue(item)
			if err != nil {
				return "", err
			}
			items = append(items, text)
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	case Table:
		var pairs []string
		for _, e := range n.entries {
			text, err := tomlValue(e.value)
			if err != nil {
				return "", err
			}
			pairs = append(pairs, tomlKey(e.key)+" = "+text)
		}
		return "{ " + strings.Join(pairs, ", ") + " }", nil
	}
	return n.text, nil
}

func tomlKey(key string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(key) {
		return key
	}
	quoted, err := tomlString(key)
	if err != nil {
		return `""` // the check of the whole file tells
	}
	return quoted
}

// tomlString writes a basic string. TOML knows fewer escapes than Go.
func tomlString(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNoUTF8
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}
