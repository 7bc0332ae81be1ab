package trace

// queue puts the segments of a log in the order in which they were opened. The first one goes straight to the output;
// the others wait in memory until all before them are closed.
type queue struct {
	out       limiter
	segments  []*segment
	lineStart bool // whether the output is at the start of a line
	stamped   bool // every line has a header
	marked    bool // the last segment ends, or will end, with a marker
	cut       *cut // how an earlier process left the log, until something is written
}

// segment is a part of the log that comes out in one piece: a section, or lines between sections.
type segment struct {
	waiting   []piece // empty for the first segment of the queue
	size      int64   // of all that waits, in bytes
	closed    bool
	begun     bool // something was written
	lineStart bool // whether what was written ended a line
	ownLine   bool // begins with a line of the runner's, which must not continue a line of an earlier segment
	own       stamper
}

// piece is what will be one record of the spool.
type piece struct {
	mark
	text []byte
}

// push appends a segment; marked says whether its last words are a marker.
func (q *queue) push(s *segment, marked bool) {
	s.own = newStamper(q.stamped, runnerStream, 1)
	s.own.continued = q.marked
	q.marked = marked
	q.segments = append(q.segments, s)
}

// text appends bytes of the job.
func (q *queue) text(s *segment, p []byte, m mark) {
	if len(p) == 0 {
		return
	}
	q.put(s, p, m)
	s.lineStart = p[len(p)-1] == '\n'
}

// marker appends a section marker. GitLab detaches what follows it from the line before.
func (q *queue) marker(s *segment, marker string) {
	q.put(s, s.own.piece(marker), mark{})
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
	q.text(s, s.own.write(nil, []byte(line)), mark{})
}

// aside puts a line that belongs to no segment into the one that is being shown.
func (q *queue) aside(line []byte, m mark) {
	if len(q.segments) == 0 {
		between := &segment{}
		q.push(between, false)
		defer q.close(between)
	}
	shown := q.segments[0]
	if shown.begun && !shown.lineStart || !shown.begun && !q.lineStart {
		line = append([]byte("\n"), line...)
	}
	q.text(shown, line, m)
}

func (q *queue) put(s *segment, p []byte, m mark) {
	s.begun = true
	switch {
	case q.out.over:
	case s == q.segments[0]:
		q.out.write(p, m)
	default:
		s.wait(p, m)
	}
	q.trim()
}

// wait keeps bytes until the segment's turn comes.
func (s *segment) wait(p []byte, m mark) {
	s.size += int64(len(p))
	if n := len(s.waiting); n > 0 && s.waiting[n-1].source == m.source {
		last := &s.waiting[n-1]
		last.mark, last.text = m, append(last.text, p...)
		return
	}
	s.waiting = append(s.waiting, piece{m, append([]byte(nil), p...)})
}

// trim drops from the end what the limit will not let out, so that waiting segments never need more memory than the
// limit allows for the log.
func (q *queue) trim() {
	excess := q.out.size - q.out.limit
	for _, s := range q.segments {
		excess += s.size
	}
	for i := len(q.segments) - 1; i > 0 && excess > 0; i-- {
		excess -= q.segments[i].drop(excess)
	}
}

// drop forgets up to n bytes of the end of what waits, and returns how many.
func (s *segment) drop(n int64) (dropped int64) {
	for dropped < n && len(s.waiting) > 0 {
		last := &s.waiting[len(s.waiting)-1]
		k := min(n-dropped, int64(len(last.text)))
		last.text = last.text[:int64(len(last.text))-k]
		if len(last.text) == 0 {
			s.waiting = s.waiting[:len(s.waiting)-1]
		}
		dropped += k
	}
	s.size -= dropped
	return dropped
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
		q.out.write([]byte("\n"), mark{})
	}
	for _, p := range s.waiting {
		q.out.write(p.text, p.mark)
	}
	s.waiting, s.size = nil, 0
}
