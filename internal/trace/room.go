package trace

import (
	"errors"
	"fmt"
	"syscall"

	"lced-runner/internal/durable"
)

const (
	// lastWords is how much room is always left behind the log, in bytes, for its end markers and the reason why it ends.
	lastWords = 4 << 10
	// roomAhead is what is reserved at once, in bytes, and for a long log as much as it has, up to mostAhead: one call of the
	// system for many records.
	roomAhead = 64 << 10
	mostAhead = 1 << 20
)

// reserve makes sure that the disk has room for n bytes behind the log. A disk that is full then ends the log between two
// records, with room for its last words. File systems that cannot reserve do without.
func (s *spool) reserve(n int64) error {
	if s.end+n <= s.room {
		return nil
	}
	for _, size := range []int64{n + min(max(s.end, roomAhead), mostAhead), n} {
		if durable.Reserve(s.file, s.end, size) == nil {
			s.room = s.end + size
			return nil
		}
	}
	return syscall.ENOSPC
}

// conclude ends a log of which the rest could not be saved: its sections are closed, and it says why it ends.
func conclude(t *Trace) error {
	s, failed := t.spool, t.spool.err
	if failed == nil || s.frozen || s.concluded {
		return failed
	}
	s.concluded = true
	c, err := newSpool(s.file, nil).read() // what of the markers is there
	if err != nil {
		return errors.Join(failed, fmt.Errorf("end the job log: %w", err))
	}
	words := c.farewell(t.markers, fmt.Sprintf("the rest of this log is lost: %v", failed))
	s.err = nil
	s.room = s.end + int64(headerSize+len(words)+lastWords) // it may use what was left for it
	s.write(words, mark{source: ownSource})
	s.err = errors.Join(failed, s.err)
	return s.err
}
