package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlText changes TOML. All bytes but those of the change stay.
type tomlText struct{}

// part is one expression of a TOML file: the header of a table, or a key with its value.
type part struct {
	runner     int  // the [[runners]] that it belongs to, from 0; -1: none
	own        bool // in that table itself, not in one below
	header     bool
	path       []string // of the header, or of the key within its table
	start, end int      // of the header's line, or of the key and its value
	value      int      // where the value begins
}

// parts finds the expressions of a file that can be read.
func (tomlText) parts(data []byte) ([]part, error) {
	var parts []part
	var parser tomlParser
	parser.Reset(data)
	current := part{runner: -1}
	runners := -1
	for parser.NextExpression() {
		e := parser.Expression()
		p := part{runner: -1}
		last := 0
		for keys := e.Key(); keys.Next(); {
			raw := keys.Node().Raw
			p.path = append(p.path, string(keys.Node().Data))
			if len(p.path) == 1 {
				p.start = int(raw.Offset)
			}
			last = int(raw.Offset + raw.Length)
		}
		ofRunners := strings.EqualFold(p.path[0], "runners")
		switch {
		case e.Kind != unstable.KeyValue:
			p.header = true
			p.start = bytes.LastIndexByte(data[:p.start], '\n') + 1
			p.end = lineEnd(data, last)
			if ofRunners {
				if len(p.path) == 1 && e.Kind == unstable.ArrayTable {
					runners++
				}
				p.runner, p.own = runners, len(p.path) == 1
			}
			current = p
		case ofRunners && current.path == nil:
			line := bytes.Count(data[:p.start], []byte("\n")) + 1
			return nil, fmt.Errorf("line %d: runners is written as one value, which cannot be changed here: begin each runner with [[runners]] instead", line)
		default:
			p.runner, p.own = current.runner, current.own
			p.end = int(e.Raw.Offset + e.Raw.Length)
			p.value = last + bytes.IndexByte(data[last:], '=') + 1
			p.value += len(data[p.value:p.end]) - len(bytes.TrimLeft(data[p.value:p.end], " \t"))
		}
		parts = append(parts, p)
	}
	return parts, parser.Error()
}

func (t tomlText) set(data []byte, runner int, keys []entry) ([]byte, error) {
	for _, key := range keys {
		parts, err := t.parts(data)
		if err != nil {
			return nil, err
		}
		text, err := tomlValue(key.value)
		if err != nil {
			return nil, err
		}
		data = setTOML(data, parts, runner, key.key, text)
	}
	return data, nil
}

// setTOML replaces the value of a key, or writes the key behind the token, else behind the header.
func setTOML(data []byte, parts []part, runner int, key, text string) []byte {
	behind, indent := 0, "  "
	for _, p := range parts {
		if p.runner != runner || !p.own {
			continue
		}
		switch {
		case !p.header && len(p.path) == 1 && strings.EqualFold(p.path[0], key):
			return splice(data, p.value, p.end, text)
		case p.header:
			behind = p.end
		case len(p.path) == 1 && strings.HasPrefix(strings.ToLower(p.path[0]), "token"): // and behind what was set with it
			behind = lineEnd(data, p.end)
			indent = string(data[bytes.LastIndexByte(data[:p.start], '\n')+1 : p.start])
		}
	}
	return splice(data, behind, behind, lineBreak(data)+indent+key+" = "+text)
}

func (t tomlText) remove(data []byte, runner int) ([]byte, error) {
	parts, err := t.parts(data)
	if err != nil {
		return nil, err
	}
	for i := len(parts) - 1; i >= 0; i-- { // from the end, so that the offsets before stay
		if parts[i].runner != runner {
			continue
		}
		end := parts[i].end
		for i > 0 && parts[i-1].runner == runner {
			i--
		}
		from := commentsAbove(data, parts[i].start)
		to := commentsBelow(data, nextLine(data, end))
		data = splice(data, from, to, "")
	}
	return data, nil
}

// commentsAbove is where the comment begins that stands right above a line.
func commentsAbove(data []byte, start int) int {
	for start > 0 {
		above := bytes.LastIndexByte(data[:start-1], '\n') + 1
		if !isComment(data[above:start]) {
			break
		}
		start = above
	}
	return start
}

// commentsBelow is where the comment and the empty lines end that begin at next, right below a table. A comment right above
// the next table is that one's.
func commentsBelow(data []byte, next int) int {
	comment := next
	for comment < len(data) && isComment(data[comment:nextLine(data, comment)]) {
		comment = nextLine(data, comment)
	}
	if isEmpty(data[comment:nextLine(data, comment)]) {
		next = comment
	}
	for next < len(data) && isEmpty(data[next:nextLine(data, next)]) {
		next = nextLine(data, next)
	}
	return next
}

func isEmpty(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

func isComment(line []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) }

func (t tomlText) add(data []byte, runner *node) ([]byte, error) {
	if _, err := t.parts(data); err != nil {
		return nil, err
	}
	text, err := tomlTable("runners", runner)
	if err != nil {
		return nil, err
	}
	text = "[[runners]]\n" + text
	if newline := lineBreak(data); newline != "\n" {
		text = strings.ReplaceAll(text, "\n", newline)
	}
	data = bytes.TrimRight(data, " \t\r\n")
	if len(data) > 0 {
		text = lineBreak(data) + lineBreak(data) + text
	}
	return append(bytes.Clone(data), text...), nil
}

// nextLine is where the line behind the one with that offset begins, or the end.
func nextLine(data []byte, offset int) int {
	if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(data)
}

// lineEnd is where the line ends that holds the offset, before its line break.
func lineEnd(data []byte, offset int) int {
	return offset + len(bytes.TrimRight(data[offset:nextLine(data, offset)], "\r\n"))
}

// lineBreak is how the lines of a file end.
func lineBreak(data []byte) string {
	if bytes.Contains(data, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

func splice(data []byte, from, to int, text string) []byte {
	return bytes.Join([][]byte{data[:from], []byte(text), data[to:]}, nil)
}

var errNoUTF8 = errors.New("a value is not UTF-8 text")
