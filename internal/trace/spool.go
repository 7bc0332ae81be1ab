package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"syscall"
)

// spool is the log as the server is to have it, in a file of records that only grows. What a record holds lets another
// process go on with the log, see resume.go; the bytes of all records, one after the other, are the log. It may be read at
// any offset below sum.Size while it is written.
type spool struct {
	file   *os.File
	live   io.Writer
	sum    Sum
	end    int64 // of the last whole record, in the file
	room   int64 // up to there the disk has room for the file
	index  []place
	record []byte // being written; kept to be used again
	frozen bool   // another process goes on with it

	concluded bool // its last words were said
	err       error
}

// mark says where the bytes of a record come from.
type mark struct {
	source uint8 // ownSource, or a stream
	raw    int64 // how much of the stream has been used up once the record is there, in bytes
}

// ownSource stands for lines and markers of the runner. A section's streams are 1 and 2, as file descriptors are; those of
// services come after them.
const ownSource uint8 = 0

// serverSource is that of a record without bytes, which says how much of the log the server has.
const serverSource uint8 = 255

// place is where in the file a record begins that begins at this offset of the log.
type place struct{ log, file int64 }

// A record is its header and its bytes. The header: length of the bytes (4 bytes), source (1), raw (8), CRC-32 of all that
// and of the bytes (4); little endian.
const headerSize = 17

// indexEvery is how many bytes of the log lie between two places of the index.
const indexEvery = 256 << 10

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

// write appends a record. A job is not stopped because its log cannot be saved, so the first error (a full disk) is kept for
// Close, and nothing is written after it: a log that ends early is better than one with a hole.
func (s *spool) write(p []byte, m mark) {
	if len(p) > 0 {
		s.append(p, m)
	}
}

// acknowledged notes how much of the log the server has, for another process: a guess may be wrong, since the server says so,
// but costs a patch.
func (s *spool) acknowledged(n int64) { s.append(nil, mark{source: serverSource, raw: n}) }

func (s *spool) append(p []byte, m mark) {
	if s.err != nil || s.frozen {
		return
	}
	b := append(s.record[:0], make([]byte, headerSize)...)
	binary.LittleEndian.PutUint32(b, uint32(len(p)))
	b[4] = m.source
	binary.LittleEndian.PutUint64(b[5:], uint64(m.raw))
	s.record = append(b, p...)
	binary.LittleEndian.PutUint32(s.record[13:], checksum(s.record))
	err := s.reserve(int64(len(s.record)) + lastWords)
	if err == nil {
		err = s.put()
	}
	switch {
	case err == nil:
		s.took(p)
	case len(p) > 0:
		s.err = fmt.Errorf("save job log (it ends after %d bytes): %w", s.sum.Size, err)
	}
	if err != nil {
		return
	}
	_, _ = s.live.Write(p)
}

// put writes the record to the file.
func (s *spool) put() error {
	_, err := s.file.WriteAt(s.record, s.end)
	if err != nil {
		// Half a record is none. Where even this fails, whoever reads the file stops there.
		_ = s.file.Truncate(s.end)
	}
	return err
}

// took counts a record that is in the file.
func (s *spool) took(p []byte) {
	if n := len(s.index); len(p) > 0 && (n == 0 || s.sum.Size-s.index[n-1].log >= indexEvery) {
		s.index = append(s.index, place{log: s.sum.Size, file: s.end})
	}
	s.sum.Size += int64(len(p))
	s.sum.CRC32 = crc32.Update(s.sum.CRC32, crc32.IEEETable, p)
	s.end += headerSize + int64(len(p))
}

// checksum is that of a whole record, but for the place of the checksum itself.
func checksum(record []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(record[:headerSize-4]), crc32.IEEETable, record[headerSize:])
}

// place is the last one of the index at or before an offset of the log.
func (s *spool) place(offset int64) place {
	after := sort.Search(len(s.index), func(i int) bool { return s.index[i].log > offset })
	if after == 0 {
		return place{}
	}
	return s.index[after-1]
}

// readAt fills p with the bytes of the log from an offset on, starting to look for it at a place before it. The header of a record
// is read with the record before it, into the room for its own bytes.
func (s *spool) readAt(p []byte, offset int64, from place) error {
	var header [headerSize]byte
	along := false // the header is there
	for len(p) > 0 {
		if !along {
			if _, err := s.file.ReadAt(header[:], from.file); err != nil {
				return err
			}
		}
		length := int64(binary.LittleEndian.Uint32(header[:]))
		begin := max(0, offset-from.log)
		if n := min(length-begin, int64(len(p))); n > 0 {
			along = n+headerSize <= int64(len(p))
			whole := p[:n]
			if along {
				whole = p[:n+headerSize]
			}
			if _, err := s.file.ReadAt(whole, from.file+headerSize+begin); err != nil {
				return err
			}
			copy(header[:], whole[n:])
			p, offset = p[n:], offset+n
		} else {
			along = false
		}
		from.log += length
		from.file += headerSize + length
	}
	return nil
}

// sync brings what was written to the disk.
func (s *spool) sync() error { return syscall.Fdatasync(int(s.file.Fd())) }

func (s *spool) remove() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
