package archive

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// member is one file on its way into an archive, as it is at this moment.
type member struct {
	name    string
	info    fs.FileInfo
	content io.Reader // of a regular file
	target  string    // of a symbolic link
}

// regular tells whether the member has content.
func (m member) regular() bool { return m.content != nil }

// owner is the user and group of the file.
func (m member) owner() (uid, gid uint32) {
	if stat, ok := m.info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid, stat.Gid
	}
	return 0, 0
}

// each gives the files to store, one after the other.
func each(ctx context.Context, dir string, files Files, store func(member) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the directory to archive from: %w", err)
	}
	defer root.Close()
	for _, f := range files {
		if err := storeOne(ctx, root, f, store); err != nil {
			return fmt.Errorf("archive %s: %w", f.Name, err)
		}
	}
	return nil
}

func storeOne(ctx context.Context, root *os.Root, f File, store func(member) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m := member{name: f.Name}
	var err error
	switch f.Mode.Type() {
	case fs.ModeSymlink:
		if m.target, err = root.Readlink(f.Name); err != nil {
			return err
		}
		m.info, err = root.Lstat(f.Name)
	case fs.ModeDir:
		m.info, err = root.Lstat(f.Name)
	default:
		// What was a file may have become a link, or a pipe that would be waited for.
		var file *os.File
		if file, err = root.OpenFile(f.Name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0); err != nil {
			return err
		}
		defer file.Close()
		m.content = untilDone(ctx, file)
		m.info, err = file.Stat()
	}
	if err != nil {
		return err
	}
	if now := m.info.Mode(); now.Type() != f.Mode.Type() {
		return fmt.Errorf("it was a %s and has become a %s", kindOf(f.Mode), kindOf(now))
	}
	return store(m)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// untilDone reads from r until ctx ends.
func untilDone(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	})
}

// copyBuffer is the size of the one buffer that the files of an archive share, in bytes.
const copyBuffer = 128 << 10

// copyAll is io.Copy through buf; it hides what would make io.Copy take a buffer of its own for each file.
func copyAll(w io.Writer, r io.Reader, buf []byte) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
	return err
}
