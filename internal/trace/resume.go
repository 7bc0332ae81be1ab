package trace

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"regexp"
	"slices"
	"time"
)

// Resume continues the log that an earlier process left in the spool file, after a crash for example: Sum covers all of it,
// sections that were open at the cut are closed, and lines have headers if those in the file have. What the server already
// has is found out by its first refusal (416), so the spool keeps no offset. An error that is fs.ErrNotExist means that
// there is no such log.
func Resume(opts Options) (*Trace, error) {
	file, err := os.OpenFile(opts.Path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool file of an earlier job log: %w", err)
	}
	s := newSpool(file, opts.Live)
	stamped := s.stamped()
	open, err := s.read()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read spool file of an earlier job log: %w", err), file.Close())
	}
	t := newTrace(opts, s, stamped)
	if t.markers && !t.queue.out.over {
		between := &segment{}
		t.queue.push(between, true)
		for _, name := range slices.Backward(open) {
			t.queue.marker(between, endMarker(name, time.Now()))
		}
		t.queue.close(between)
	}
	return t, nil
}

// stamped reports whether the lines have headers; a log begins with a line of the runner's.
func (s *spool) stamped() bool {
	first := make([]byte, len("2006-01-02T15:04:05.000000Z 00O "))
	n, _ := s.file.ReadAt(first, 0) // an empty log has none
	return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 00O[ +]`).Match(first[:n])
}

// read sums up the file, leaves it at its end, and returns the sections that have begun and not ended, in order.
func (s *spool) read() (open []string, err error) {
	const longestMarker = 512
	marker := regexp.MustCompile(`section_(start|end):\d+:([a-zA-Z0-9_.-]+)(?:\[[^\]\n]*\])?\r$`)
	in := bufio.NewReaderSize(s.file, 64<<10)
	var tail []byte
	for {
		// Every marker ends with a carriage return; what is longer than the buffer cannot be one.
		part, err := in.ReadSlice('\r')
		s.sum.Size += int64(len(part))
		s.sum.CRC32 = crc32.Update(s.sum.CRC32, crc32.IEEETable, part)
		tail = append(tail, part...)
		tail = tail[max(0, len(tail)-longestMarker):]
		if err == nil {
			if m := marker.FindSubmatch(tail); m != nil {
				open = opened(open, string(m[1]) == "start", string(m[2]))
			}
			tail = tail[:0]
		}
		switch {
		case errors.Is(err, io.EOF):
			return open, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func opened(open []string, start bool, name string) []string {
	if start {
		return append(open, name)
	}
	if i := slices.Index(open, name); i >= 0 {
		return slices.Delete(open, i, i+1)
	}
	return open
}
