package trace

import (
	"bytes"
	"fmt"
	"time"
)

const (
	// longestLine is how much of a line gitlab-runner holds back in this format; a longer one is continued.
	longestLine = 8 << 10
	// runnerStream is the number of the runner's own lines, jobStream that of the job's containers. Services have numbers
	// of their own, from serviceStream on.
	runnerStream, jobStream, serviceStream = 0, 1, 15
)

// stamper puts GitLab's header before each line of one stream: its time, the stream, and whether it goes on with the
// stream's previous line (job-api contract 6.3, FF_TIMESTAMPS). GitLab 17.2 and later read it; what it writes are whole
// lines, so streams mix at the borders of lines only. The zero value changes nothing.
type stamper struct {
	source    string // stream number and O or E; empty: no headers
	begun     time.Time
	line      []byte // of an unfinished line
	continued bool   // what comes next goes on with a line

	// The lines of one write share a time, which is written out once.
	written time.Time
	text    []byte
}

// newStamper makes the stamper of a stream; fd is 1 for standard output, 2 for standard error.
func newStamper(on bool, number, fd int) stamper {
	if !on {
		return stamper{}
	}
	kind := 'O'
	if fd == 2 {
		kind = 'E'
	}
	return stamper{source: fmt.Sprintf("%02x%c", number, kind)}
}

// write appends the lines to dst that are whole after p. What is held back afterwards does not depend on how the bytes are
// split into writes, or a log could not go on in another process.
func (s *stamper) write(dst, p []byte) []byte {
	if s.source == "" {
		return append(dst, p...)
	}
	now := time.Now()
	for len(p) > 0 {
		if len(s.line) == 0 {
			s.begun = now
		}
		text, rest, whole := bytes.Cut(p, []byte("\n"))
		room := longestLine - len(s.line)
		shown := bytes.LastIndexByte(text[:min(room, len(text))], '\r') + 1
		switch {
		case whole && len(text) <= room:
			dst = s.end(dst, text, false)
		case shown > 0: // a progress bar shows although its line goes on
			dst = s.end(dst, text[:shown], true)
			rest = p[shown:]
		case len(text) > room:
			text = text[:room-cutCharacter(text[:room])]
			dst = s.end(dst, text, true)
			rest = p[len(text):]
		default:
			s.line = append(s.line, text...)
		}
		p = rest
	}
	return dst
}

// flush appends the unfinished line; the stream has ended.
func (s *stamper) flush(dst []byte) []byte {
	if len(s.line) == 0 {
		return dst
	}
	return s.end(dst, nil, false)
}

// piece appends text as it is, to a line that goes on.
func (s *stamper) piece(text string) []byte {
	if s.source == "" {
		return []byte(text)
	}
	s.begun = time.Now()
	return s.end(nil, []byte(text), true)
}

// end appends the line that text completes.
func (s *stamper) end(dst, text []byte, continued bool) []byte {
	flag := byte(' ')
	if s.continued {
		flag = '+'
	}
	s.continued = continued
	if s.text == nil || !s.begun.Equal(s.written) {
		s.written, s.text = s.begun, s.begun.UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05.000000Z ")
	}
	dst = append(append(append(dst, s.text...), s.source...), flag)
	dst = append(append(dst, s.line...), text...)
	s.line = s.line[:0]
	return append(dst, '\n')
}
