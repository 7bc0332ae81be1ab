package helper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
)

// blockUnit is the unit of a file's blocks in bytes, whatever the file system (stat(2)).
const blockUnit = 512

// Size prints how much disk space a directory takes, in bytes, as du does: holes count nothing, and a file with several
// names counts once. What vanishes meanwhile does not count.
func Size(dir string, out io.Writer) error {
	type file struct{ device, inode uint64 }
	seen := map[file]bool{}
	var size int64
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) && name != dir {
			return nil
		}
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("the system does not say how large %s is", name)
		}
		if stat.Nlink > 1 && !d.IsDir() {
			this := file{uint64(stat.Dev), stat.Ino}
			if seen[this] {
				return nil
			}
			seen[this] = true
		}
		size += stat.Blocks * blockUnit
		return nil
	})
	if err != nil {
		return fmt.Errorf("measure %s: %w", dir, err)
	}
	_, err = fmt.Fprintln(out, size)
	return err
}
