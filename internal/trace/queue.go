package trace

// queue puts the segments of a log in the order in which they were opened. The first one goes straight to the output;
// the others wait in memory until all before them are closed.
type queue struct {
	out       limiter
	segments  []*segment
	lineStart bool // whether the output is at the start of a line
	stamped   bool // every line has a header
	marked    bool // the last segment ends, or will end, with a marker
}

// segment is a part of the log that comes out in one piece: a section, or lines between sections.
type segment struct {
	waiting   []byte // empty for the first segment of the queue
	closed    bool
	begun     bool // something was written
	lineStart bool // whether what was written ended a line
	ownLine   bool // begins with a line of the runner's, which must not continue a line of an earlier segment
	own       stamper
}

// push appends a segment; marked says whether its last words are a marker.
func (q *queue) push(s *segment, marked bool) {
	s.own = newStamper(q.stamped, runnerStream, 1)
	s.own.continued = q.marked
	q.marked = marked
	q.segments = append(q.segments, s)
}

// text appends bytes of the job.
func (q *queue) text(s *segment, p []byte) {
	if len(p) == 0 {
		return
	}
	q.put(s, p)
	s.lineStart = p[len(p)-1] == '\n'
}

// marker appends a section marker. GitLab detaches what follows it from the line before.
func (q *queue) marker(s *segment, marker string) {
	q.put(s, s.own.write(nil, []byte(marker)))
	s.lineStart = true
}

// line appends a line of the runner's own, on a new line.
func (q *queue) line(s *segment, line string) {
	first := s == q.segments[0]
	switch {
	case s.begun && !s.lineStart, !s.begun && first && !q.lineStart:
		line = "\n" + line
	case !s.begun && !first:
		s.ownLine = true
	}
	q.text(s, s.own.write(nil, []byte(line)))
}

// aside puts a line that belongs to no segment into the one that is being shown.
func (q *queue) aside(line []byte) {
	if len(q.segments) == 0 {
		between := &segment{}
		q.push(between, false)
		defer q.close(between)
	}
	shown := q.segments[0]
	if shown.begun && !shown.lineStart || !shown.begun && !q.lineStart {
		line = append([]byte("\n"), line...)
	}
	q.text(shown, line)
}

func (q *queue) put(s *segment, p []byte) {
	s.begun = true
	switch {
	case q.out.over:
	case s == q.segments[0]:
		q.out.write(p)
	default:
		s.waiting = append(s.waiting, p...)
	}
	q.trim()
}

// trim drops from the end what the limit will not let out, so that waiting segments never need more memory than the
// limit allows for the log.
func (q *queue) trim() {
	excess := q.out.size - q.out.limit
	for _, s := range q.segments {
		excess += int64(len(s.waiting))
	}
	for i := len(q.segments) - 1; i > 0 && excess > 0; i-- {
		s := q.segments[i]
		n := min(excess, int64(len(s.waiting)))
		s.waiting = s.waiting[:int64(len(s.waiting))-n]
		excess -= n
		if len(s.waiting) == 0 {
			s.waiting = nil
		}
	}
}

// close ends a segment, and lets those behind it out as far as their turn has come.
func (q *queue) close(s *segment) {
	s.closed = true
	for len(q.segments) > 0 && q.segments[0].closed {
		if first := q.segments[0]; first.begun {
			q.lineStart = first.lineStart
		}
		q.segments = q.segments[1:]
		if len(q.segments) > 0 {
			q.release(q.segments[0])
		}
	}
}

// release writes what the new first segment has waited with.
func (q *queue) release(s *segment) {
	if s.ownLine && !q.lineStart {
		q.out.write([]byte("\n"))
	}
	q.out.write(s.waiting)
	s.waiting = nil
}
