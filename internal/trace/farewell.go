package trace

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
)

// longestFarewell bounds what a process keeps in memory of a log that it brings to its end, in bytes.
const longestFarewell = 4 << 20

// Farewell is what somebody needs who ends the log at the server without its spool: what the server has, as far as is known,
// and the rest, which ends with a line that says why the job fails. The log must have been left.
func Farewell(t *Trace, format string, args ...any) (has Sum, rest []byte, err error) {
	file, err := os.OpenFile(t.spool.file.Name(), os.O_RDWR, 0)
	if err != nil {
		return Sum{}, nil, fmt.Errorf("open spool file of the job log: %w", err)
	}
	s := newSpool(file, nil)
	c, err := s.read()
	if err == nil {
		has, rest, err = s.split(min(t.sent, s.sum.Size))
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return Sum{}, nil, fmt.Errorf("read spool file of the job log: %w", err)
	}
	return has, append(rest, c.farewell(t.markers, fmt.Sprintf(format, args...))...), nil
}

// farewell is the end of a log that was cut: its sections are closed, and a line says why it ends.
func (c *cut) farewell(markers bool, why string) []byte {
	var end []byte
	if markers && len(c.open) > 0 {
		for _, name := range slices.Backward(c.open) {
			own := newStamper(c.stamped(), runnerStream, 1)
			end = append(end, own.piece(endMarker(name, ending(c.begun[name])))...)
		}
	} else if !c.lineStart {
		end = append(end, '\n')
	}
	own := newStamper(c.stamped(), runnerStream, 1)
	return own.write(end, []byte(errorLine(why)))
}

// split describes the log before an offset, and returns what follows it, if not all then the beginning.
func (s *spool) split(at int64) (before Sum, rest []byte, err error) {
	before.Size = at
	chunk := make([]byte, indexEvery)
	for pos := int64(0); pos < at; pos += int64(len(chunk)) {
		chunk = chunk[:min(int64(len(chunk)), at-pos)]
		if err := s.readAt(chunk, pos, s.place(pos)); err != nil {
			return Sum{}, nil, err
		}
		before.CRC32 = crc32.Update(before.CRC32, crc32.IEEETable, chunk)
	}
	rest = make([]byte, min(s.sum.Size-at, longestFarewell))
	return before, rest, s.readAt(rest, at, s.place(at))
}
