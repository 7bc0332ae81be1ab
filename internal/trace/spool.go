package trace

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// spool is the log as the server is to have it: a plain file that only grows. It may be read at any offset below
// sum.Size while it is written.
type spool struct {
	file *os.File
	live io.Writer
	sum  Sum
	err  error
}

func openSpool(path string, live io.Writer) (*spool, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(0o600); err != nil { // the file may have been there with another mode
		return nil, errors.Join(err, file.Close())
	}
	return newSpool(file, live), nil
}

// newSpool is the spool in an open file; live may be nil.
func newSpool(file *os.File, live io.Writer) *spool {
	if live == nil {
		live = io.Discard
	}
	return &spool{file: file, live: live}
}

// write appends p. A job is not stopped because its log cannot be saved, so the first error (a full disk) is kept for
// Close, and nothing is written after it: a log that ends early is better than one with a hole.
func (s *spool) write(p []byte) {
	if s.err != nil || len(p) == 0 {
		return
	}
	n, err := s.file.Write(p)
	p = p[:n]
	s.sum.Size += int64(n)
	s.sum.CRC32 = crc32.Update(s.sum.CRC32, crc32.IEEETable, p)
	if err != nil {
		s.err = fmt.Errorf("save job log (it ends after %d bytes): %w", s.sum.Size, err)
	}
	_, _ = s.live.Write(p)
}

func (s *spool) remove() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
