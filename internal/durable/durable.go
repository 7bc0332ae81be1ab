// Package durable writes small files so that neither a power cut nor a full disk leaves half of one. It knows nothing of what
// is in them.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Beside is what the name of a file ends with that is to take the place of another one. Of a process that was killed such a
// file may be left; it means nothing.
const Beside = ".new"

// Replace puts a file in place, whole or not at all, 0600. When it returns without an error the file survives a power cut: it is
// written beside the old one, synced, and renamed, and the directory is synced. One process at a time may do so. more is room
// that is reserved behind the text, in bytes.
func Replace(path string, text []byte, more int64) error {
	next := path + Beside
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && more > 0 {
		err = Reserve(f, int64(len(text)), more)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir brings the names of a directory to the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Reserve takes room on the disk, in bytes, for what is yet to be written to a file from an offset on; its size stays. The error,
// ENOSPC or EDQUOT, says that there is not that much. Where the file system cannot reserve anything, nothing is done.
func Reserve(f *os.File, from, bytes int64) error {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	err := error(syscall.EINTR)
	for err == syscall.EINTR {
		err = syscall.Fallocate(int(f.Fd()), keepSize, from, bytes)
	}
	if err == syscall.ENOSPC || err == syscall.EDQUOT {
		return err
	}
	return nil
}
