package trace

import (
	"fmt"
	"unicode/utf8"
)

// limiter cuts the log when it reaches the limit, says so once, and drops what comes later. Where it cuts does not
// depend on how the bytes are split into writes.
type limiter struct {
	limit int64
	spool *spool
	size  int64  // bytes taken, those of tail included
	tail  []byte // a character begun just below the limit, held until it is known to fit
	last  mark   // of tail
	over  bool
}

func (l *limiter) write(p []byte, m mark) {
	if l.over || len(p) == 0 {
		return
	}
	held := len(l.tail)
	if held > 0 {
		p = append(l.tail, p...)
		l.tail = nil
	}
	room := l.limit - l.size + int64(held)
	if int64(len(p)) >= room { // reaching the limit exactly counts, as in gitlab-runner
		p = p[:room]
		// In one record: a log that is full always says so.
		l.spool.write(append(p[:len(p)-cutCharacter(p):len(p)-cutCharacter(p)], limitNotice(l.limit)...), m)
		l.size, l.over = l.limit, true
		return
	}
	l.size += int64(len(p) - held)
	if l.limit-l.size < utf8.UTFMax {
		n := cutCharacter(p)
		l.tail = append(l.tail, p[len(p)-n:]...)
		p = p[:len(p)-n]
		l.last = m
	}
	l.spool.write(p, m)
}

// flush writes what is held at the end of a log that stayed below its limit.
func (l *limiter) flush() {
	l.spool.write(l.tail, l.last)
	l.tail = nil
}

// cutCharacter returns the length of the incomplete UTF-8 character at the end of p, 0 if there is none.
func cutCharacter(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if utf8.RuneStart(p[len(p)-n]) {
			if utf8.FullRune(p[len(p)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

func limitNotice(limit int64) []byte {
	return fmt.Appendf(nil, "\n%sJob's log exceeded limit of %d bytes.\n"+
		"Job execution will continue but no more output will be collected.%s\n", boldYellow, limit, reset)
}
