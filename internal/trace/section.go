package trace

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Section is a part of the log that GitLab shows under a title of its own, with its duration. Everything written to it
// comes out between its markers, in the order of writing. It may be used from several goroutines.
type Section struct {
	trace *Trace
	name  string
	begun time.Time

	mu      sync.Mutex
	segment segment
	own     *stream
	more    []*stream
	used    map[uint8]int64 // bytes of the streams that an earlier process has used up, see Continue
	closed  bool
}

// stream is one writer into a section, with a filter of its own.
type stream struct {
	section  *Section
	commands commandFilter
	filter   filter
	stamp    stamper
	stamped  []byte // kept to be used again
	mark            // raw counts every byte that was written
	skip     int64  // of what comes, the bytes that an earlier process has used up
}

func (s *Section) newStream(fd int) *stream {
	t := s.trace
	w := &stream{section: s, filter: newFilter(t.secrets), stamp: newStamper(t.queue.stamped, jobStream, fd), mark: mark{source: uint8(fd)}}
	w.commands.hide = t.secrets.addOfJob
	return w
}

// Section opens a section. The name is one that GitLab accepts ([a-zA-Z0-9_.-]+) and dashboards know; the title is
// what users see. Its start is now, even if earlier sections are still open and it is displayed later.
func (t *Trace) Section(name, title string) *Section {
	s := &Section{trace: t, name: name, begun: time.Now()}
	s.own = s.newStream(1)
	title = titleLine(t.secrets.hide(title))

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		s.closed = true
		return s
	}
	t.queue.settle(t.markers)
	t.open = append(t.open, s)
	t.queue.push(&s.segment, t.markers)
	if t.markers {
		t.queue.marker(&s.segment, startMarker(name, s.begun))
	}
	t.queue.line(&s.segment, title)
	return s
}

// Stream returns one more writer into the section, for a container's standard output (fd 1) or standard error (fd 2). They
// need one each: within one writer, a secret that is split over two writes would hide from the masks if the other stream
// wrote in between.
func (s *Section) Stream(fd int) io.Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.newStream(fd)
	w.skip = s.used[w.source]
	s.more = append(s.more, w)
	return w
}

// Write appends output of the job. It fails only if the section is closed: a log that cannot be saved is reported by
// Trace.Close and does not stop the job.
func (s *Section) Write(p []byte) (int, error) { return s.own.Write(p) }

func (w *stream) Write(p []byte) (int, error) {
	s, t := w.section, w.section.trace
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, fmt.Errorf("write to section %s of the job log: the section is closed", s.name)
	}
	t.mu.Lock()
	full := t.queue.out.over
	t.mu.Unlock()
	if full { // a job may go on to write gigabytes
		return len(p), nil
	}
	n := len(p)
	if had := min(w.skip, int64(n)); had > 0 {
		w.take(p[:had]) // only for the state that it leaves
		w.skip -= had
		p = p[had:]
	}
	text := w.take(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.text(&s.segment, text, w.mark)
	return n, nil
}

// take sends bytes through all steps.
func (w *stream) take(p []byte) []byte {
	w.raw += int64(len(p))
	return w.stamps(w.filter.write(w.commands.write(p)))
}

// stamps is the last step of the stream.
func (w *stream) stamps(text []byte) []byte {
	if w.stamp.source == "" {
		return text
	}
	w.stamped = w.stamp.write(w.stamped[:0], text)
	return w.stamped
}

// flush returns what the steps hold back; the stream has ended.
func (w *stream) flush() []byte {
	out := w.stamp.write(nil, w.filter.write(w.commands.flush()))
	out = w.stamp.write(out, w.filter.flush())
	return w.stamp.flush(out)
}

// Plain appends a line of the runner's own without colour. It does not pass through the streams' filters: a secret that
// is half written stays half written, and is hidden when its second half arrives.
func (s *Section) Plain(format string, args ...any) {
	t := s.trace
	line := plainLine(t.secrets.hide(fmt.Sprintf(format, args...)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.line(&s.segment, line)
}

// Close ends the section now, with what was held back of its streams. It never fails; closing again does nothing.
func (s *Section) Close() error {
	t := s.trace
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range append([]*stream{s.own}, s.more...) {
		t.queue.text(&s.segment, w.flush(), w.mark)
		*w = stream{section: s} // a caller may keep the section long after its buffers are of use
	}
	if t.markers {
		t.queue.marker(&s.segment, endMarker(s.name, ending(s.begun)))
	}
	t.queue.close(&s.segment)
	t.open = slices.DeleteFunc(t.open, func(o *Section) bool { return o == s })
	return nil
}
