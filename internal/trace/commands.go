package trace

import (
	"bytes"
	"slices"
)

const (
	// maskCommand begins a line with which a job hides a value that it learnt while it ran.
	maskCommand = "::add-mask::"
	// mostAdded bounds, in bytes, all values that a job hides so: masks need memory.
	mostAdded = 64 << 10
	// refused is shown instead of a line that would pass the bound.
	refused = maskCommand + " refused: this job hides more than 64 KiB"
)

// commandFilter finds the lines of a stream that hide a value, before the value reaches the masks: the line itself is
// masked like what follows it. It holds back unfinished lines that begin as such a line does, and nothing else.
type commandFilter struct {
	hide   func(value string) bool // false if there are too many
	within bool                    // in a line that is no command
	held   []byte                  // of a line that may be one
}

// write returns what can be said about the text after p. The result is valid until the next call, and may be p.
func (f *commandFilter) write(p []byte) []byte {
	text := p
	if len(f.held) > 0 {
		text = append(f.held, p...)
		f.held = nil
	}
	for pos := 0; pos < len(text); {
		line, _, whole := bytes.Cut(text[pos:], []byte("\n"))
		if !f.within {
			if !whole && mayCommand(line) {
				f.held = bytes.Clone(line)
				return text[:pos]
			}
			if !f.obey(line) {
				text = slices.Concat(text[:pos], []byte(refused), text[pos+len(line):])
				line = text[pos : pos+len(refused)]
			}
		}
		f.within = !whole
		pos += len(line)
		if whole {
			pos++
		}
	}
	return text
}

// flush returns what is held back; the stream has ended.
func (f *commandFilter) flush() []byte {
	line := f.held
	f.held = nil
	if !f.obey(line) {
		return []byte(refused)
	}
	return line
}

// mayCommand reports whether an unfinished line may become a command that can be obeyed.
func mayCommand(line []byte) bool {
	n := min(len(line), len(maskCommand))
	return string(line[:n]) == maskCommand[:n] && len(line) <= len(maskCommand)+mostAdded
}

// obey does what a line says, if it is a command. It is false for one that must not be shown.
func (f *commandFilter) obey(line []byte) bool {
	value, ok := bytes.CutPrefix(line, []byte(maskCommand))
	return !ok || f.hide(string(value))
}
