package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Resume continues the log that an earlier process left in the spool file, after a crash for example: Sum covers all of its
// whole records, and what follows them is cut off. Lines have headers if those in the file have. Sections that were open are
// closed as soon as something is written, unless Continue goes on with the last of them. An error that is fs.ErrNotExist means that there is no such
// log.
func Resume(opts Options) (*Trace, error) {
	file, err := os.OpenFile(opts.Path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool file of an earlier job log: %w", err)
	}
	s := newSpool(file, opts.Live)
	c, err := s.read()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read spool file of an earlier job log: %w", err), file.Close())
	}
	t := newTrace(opts, s, c.stamped())
	t.queue.cut, t.sent = c, min(c.sent, s.sum.Size)
	if opts.ServicesGoOn {
		t.services = c.services
	}
	t.queue.lineStart = t.queue.stamped || c.lineStart
	if out := &t.queue.out; !out.over && out.limit-out.size < utf8.UTFMax {
		out.limit = out.size // a character may have been held back there
	}
	return t, nil
}

// Reached reports whether the server is known to have taken a part of the log, from this process or an earlier one.
func Reached(t *Trace) bool { return t.sent > 0 }

// Continue goes on with the section of that name if it was the last one that was open at the cut; else it returns nil. Its
// streams expect their bytes from the beginning of the section, and skip those that the log already has. It must be called before anything else is written.
func (t *Trace) Continue(name string) *Section {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.queue.cut
	if t.closed || c == nil || c.section != name {
		return nil
	}
	t.queue.cut = nil
	s := &Section{trace: t, name: name, begun: c.begun[name], used: c.used}
	s.own = s.newStream(1)
	s.segment.begun, s.segment.lineStart = true, t.queue.stamped || c.lineStart
	t.open = append(t.open, s)
	t.queue.segments = append(t.queue.segments, &s.segment)
	s.segment.own = newStamper(t.queue.stamped, runnerStream, 1)
	t.queue.marked = t.markers
	return s
}

// settle closes the sections that an earlier process left open.
func (q *queue) settle(markers bool) {
	c := q.cut
	q.cut = nil
	if c == nil || !markers || q.out.over {
		return
	}
	between := &segment{}
	q.push(between, true)
	for _, name := range slices.Backward(c.open) {
		q.marker(between, endMarker(name, ending(c.begun[name])))
	}
	q.close(between)
}

// cut is how an earlier process left a log.
type cut struct {
	head      []byte   // beginning of the log
	lineStart bool     // whether it ends with a whole line
	open      []string // sections that have begun and not ended, in order
	begun     map[string]time.Time
	section   string          // the last one of them that is the runner's own
	used      map[uint8]int64 // how much of its streams is used up, in bytes by source
	services  map[uint8]int64 // the same of the streams of services, which outlive sections
	sent      int64           // what the server has of the log, as far as is known
	pattern   *regexp.Regexp  // of a marker
	tail      []byte          // of the log, as far as it may hold the beginning of a marker
}

// stamped reports whether the lines have headers; a log begins with a line of the runner's.
func (c *cut) stamped() bool {
	return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 00O[ +]`).Match(c.head)
}

// read finds the whole records of the file, cuts off what follows them, and says how the log ends.
func (s *spool) read() (*cut, error) {
	c := &cut{
		used: map[uint8]int64{}, services: map[uint8]int64{}, begun: map[string]time.Time{}, lineStart: true,
		pattern: regexp.MustCompile(`section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(?:\[[^\]\n]*\])?\r$`),
	}
	size, err := s.file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	for {
		record, err := s.next(size)
		if err != nil {
			return nil, err
		}
		if record == nil {
			break
		}
		p := record[headerSize:]
		c.take(p, mark{source: record[4], raw: int64(binary.LittleEndian.Uint64(record[5:]))})
		s.took(p)
	}
	if s.end == size {
		return c, nil
	}
	return c, s.file.Truncate(s.end)
}

// next reads the record behind those that are known; nil if it is not whole. What a power cut leaves may be anything.
func (s *spool) next(size int64) ([]byte, error) {
	if s.end+headerSize > size {
		return nil, nil
	}
	s.record = append(s.record[:0], make([]byte, headerSize)...)
	if _, err := s.file.ReadAt(s.record, s.end); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(s.record))
	if s.end+headerSize+length > size {
		return nil, nil
	}
	s.record = append(s.record, make([]byte, length)...)
	if _, err := s.file.ReadAt(s.record[headerSize:], s.end+headerSize); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(s.record[13:]) != checksum(s.record) {
		return nil, nil
	}
	return s.record, nil
}

// take looks at one record.
func (c *cut) take(p []byte, m mark) {
	if len(c.head) < 64 {
		c.head = append(c.head, p[:min(64, len(p))]...)
	}
	if len(p) > 0 {
		c.lineStart = p[len(p)-1] == '\n'
	}
	switch {
	case m.source == serverSource:
		c.sent = m.raw
	case m.source > 2:
		c.services[m.source] = m.raw
	case m.source != ownSource:
		c.used[m.source] = m.raw
	}
	c.markers(p, m.source == ownSource)
}

// markers finds the markers that end in p, which is own if the runner wrote it.
func (c *cut) markers(p []byte, own bool) {
	const longest = 512
	for part := range bytes.SplitAfterSeq(p, []byte("\r")) { // every marker ends with one
		c.tail = append(c.tail, part[max(0, len(part)-longest):]...)
		c.tail = c.tail[max(0, len(c.tail)-longest):]
		if !bytes.HasSuffix(part, []byte("\r")) {
			return
		}
		if bytes.Contains(c.tail, []byte("section_")) {
			if m := c.pattern.FindSubmatch(c.tail); m != nil {
				c.marker(string(m[3]), string(m[1]) == "start", own)
				seconds, _ := strconv.ParseInt(string(m[2]), 10, 64)
				c.begun[string(m[3])] = time.Unix(seconds, 0)
			}
		}
		c.tail = c.tail[:0]
	}
}

func (c *cut) marker(name string, start, own bool) {
	switch i := slices.Index(c.open, name); {
	case start:
		c.open = append(c.open, name)
	case i >= 0:
		c.open = slices.Delete(c.open, i, i+1)
	}
	if !own {
		return
	}
	if c.section = ""; start {
		c.section = name
	}
	clear(c.used)
}
