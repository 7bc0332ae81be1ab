package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"lced-runner/internal/durable"
)

// Room says why no job can be kept; nil if one can, and the disk of the journal has that many bytes left. It only asks the file
// system, since a board asks every few seconds and its flash wears by writing; unless the last job could not be kept: whoever goes on
// to take jobs then has GitLab's whole queue fail.
func (j *Journal) Room(bytes uint64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(j.dir, &disk); err != nil {
		return fmt.Errorf("look for free space in the journal's directory %s: %w", j.dir, err)
	}
	const readOnly = 1 // ST_RDONLY
	switch free := disk.Bavail * uint64(disk.Bsize); {
	case disk.Flags&readOnly != 0:
		return fmt.Errorf("the disk of %s can only be read, so no job can be kept there: the kernel may have found errors on it (dmesg), or it is mounted so; or set state_dir in [lced]", j.dir)
	case free < bytes:
		return fmt.Errorf("the disk of %s has only %d MiB left, too little to keep a job and its log: free some space, or set state_dir in [lced]", j.dir, free>>20)
	case j.doubted.Load():
		return j.try()
	}
	return nil
}

// try finds out by writing whether records can be written.
func (j *Journal) try() error {
	path := filepath.Join(j.dir, "trial")
	if err := durable.Replace(path, []byte("This may be removed.\n"), 0); err != nil {
		return fmt.Errorf("the last job could not be kept, and still nothing can be written to %s: mend that, or set state_dir in [lced]: %w", j.dir, err)
	}
	j.doubted.Store(false)
	return os.Remove(path)
}
