package journal

import (
	"os"
	"syscall"
)

const (
	// changesRoom is for the changes to a record and its ending, in bytes, beside the plan, which is about as long as the record itself.
	changesRoom = 64 << 10
	// keepSize is FALLOC_FL_KEEP_SIZE: the file does not get longer by what is reserved behind it.
	keepSize = 1
)

// reserve keeps room behind a record of that size: a job whose progress cannot be written down would be repeated after a crash.
// File systems that cannot reserve do without.
func reserve(f *os.File, size int64) error {
	for {
		switch err := syscall.Fallocate(int(f.Fd()), keepSize, size, size+changesRoom); err {
		case syscall.EINTR:
		case syscall.ENOSPC, syscall.EDQUOT:
			return err
		default:
			return nil
		}
	}
}
