package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lced-runner/internal/durable"
)

// replacement is a configuration file that this process has for itself until release: its content, and the place where the
// new content can be written, found before anything is done that needs it. path is no symbolic link.
type replacement struct {
	path  string
	old   []byte // nil: there is no such file yet
	locks []*os.File
	fresh *os.File // beside the file, to be renamed to it; nil where the directory does not allow that
}

// claim locks the file against other writers, reads it and prepares its replacement. It waits for a lock until ctx ends.
func claim(ctx context.Context, path string) (*replacement, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays a link
	}
	r := &replacement{path: path}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the configuration: %w", err)
	}
	err := r.lock(ctx, dir, os.O_RDONLY)
	if err == nil {
		err = r.read(ctx)
	}
	if err == nil {
		err = r.prepare()
	}
	if err != nil {
		r.release()
		return nil, fmt.Errorf("prepare to write %s: %w", path, err)
	}
	return r, nil
}

// lock takes the lock of a file or directory. The directory's is what counts: a file that is replaced has another lock than
// its successor. It may be refused (NFS), or be another one in a container into which only the file is mounted; then the
// file's own lock has to do.
func (r *replacement) lock(ctx context.Context, path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil // reading and writing will say what is wrong, if anything is
	}
	r.locks = append(r.locks, f)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("another process is writing it: %w", context.Cause(ctx))
		}
	}
}

func (r *replacement) read(ctx context.Context) error {
	if err := r.lock(ctx, r.path, os.O_RDWR); err != nil {
		return err
	}
	data, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r.old = append([]byte{}, data...)
	return err
}

// prepare makes the new file beside the old one, with its mode and owner. Its name is always the same, so that one that a
// power cut left is used again; the lock keeps others away from it.
func (r *replacement) prepare() error {
	name := filepath.Join(filepath.Dir(r.path), "."+filepath.Base(r.path)+".new")
	_ = os.Remove(name)
	fresh, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		r.fresh = fresh
		err = r.reserve()
		if err == nil && r.old != nil {
			err = r.adopt()
		}
		if err == nil {
			return nil
		}
		r.drop()
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	// The directory is read-only or not ours, or the owner cannot be kept. The file itself may still be writable.
	inPlace, second := os.OpenFile(r.path, os.O_WRONLY, 0)
	if second != nil {
		return fmt.Errorf("%w (run this as the owner of the file, or as root)", err)
	}
	return inPlace.Close()
}

// growth is what a change may add to a file: some runners.
const growth = 64 << 10

// reserve takes the room for the new content, where the file system can: a full disk is no news to get when GitLab has given
// a token that exists only once.
func (r *replacement) reserve() error {
	if err := durable.Reserve(r.fresh, 0, int64(len(r.old))+growth); err != nil {
		return fmt.Errorf("reserve the room for its new content: %w", err)
	}
	return nil
}

// adopt gives the new file mode and owner of the old one.
func (r *replacement) adopt() error {
	info, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	if err := r.fresh.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if own, ok := info.Sys().(*syscall.Stat_t); ok {
		return r.fresh.Chown(int(own.Uid), int(own.Gid))
	}
	return nil
}

// write puts the content in place: whole or not at all, also when the power fails, except where only the file itself can be
// written.
func (r *replacement) write(content []byte) error {
	if r.fresh == nil {
		return r.overwrite(content)
	}
	_, err := r.fresh.Write(content)
	if err == nil {
		err = r.fresh.Truncate(int64(len(content))) // gives back what was reserved behind it
	}
	err = errors.Join(err, r.fresh.Sync(), r.fresh.Close())
	if err == nil {
		err = os.Rename(r.fresh.Name(), r.path)
	}
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) {
		return r.overwrite(content) // the file is mounted into a container by itself
	}
	if err != nil {
		return err
	}
	r.fresh = nil
	_ = durable.SyncDir(filepath.Dir(r.path)) // the new file is there; that a power cut cannot undo it is all that may be missing
	return nil
}

// overwrite writes into the file itself. What was there comes back if the disk is full.
func (r *replacement) overwrite(content []byte) error {
	f, err := os.OpenFile(r.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	put := func(data []byte) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		return errors.Join(f.Truncate(int64(len(data))), f.Sync())
	}
	if err := put(content); err != nil {
		return errors.Join(err, put(r.old))
	}
	return nil
}

// drop removes the prepared file.
func (r *replacement) drop() {
	if r.fresh != nil {
		_ = r.fresh.Close()
		_ = os.Remove(r.fresh.Name())
		r.fresh = nil
	}
}

// release gives the file back to others.
func (r *replacement) release() {
	r.drop()
	for _, lock := range r.locks {
		_ = lock.Close()
	}
}
