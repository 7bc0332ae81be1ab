package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Extract unpacks an archive into dir, which must exist: a zip, or a tar compressed with zstd, told by the first bytes.
// Files and links that exist are replaced; modes, times and, for root, owners are restored. An archive with an entry
// that leaves dir (by an absolute name, by .., through a symbolic link), that is a device, or that comes twice is
// refused; of a zip nothing has been unpacked then.
func Extract(ctx context.Context, file *os.File, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the directory to extract into: %w", err)
	}
	defer root.Close()
	magic := make([]byte, 4)
	if _, err := file.ReadAt(magic, 0); err != nil && err != io.EOF {
		return fmt.Errorf("read the head of the archive: %w", err)
	}
	x := &extraction{root: root, made: map[string]bool{".": true}, buf: make([]byte, copyBuffer)}
	if bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		err = x.tarZstd(ctx, file)
	} else {
		err = x.zip(ctx, file)
	}
	if err != nil {
		return err
	}
	return x.finish()
}

// entry is one thing to create.
type entry struct {
	name     string // clean
	mode     fs.FileMode
	modified time.Time
	uid, gid int    // -1: nothing known
	target   string // of a symbolic link
}

// extraction writes the entries of one archive.
type extraction struct {
	root  *os.Root
	made  map[string]bool // directories that are known to be real ones
	links []entry         // created when all files are there, so that none is written through them
	dirs  []entry         // whose modes and times the files inside would disturb, or be disturbed by
	buf   []byte
}

// create makes the entry from its content, or notes it for the end.
func (x *extraction) create(ctx context.Context, e entry, content io.Reader) error {
	if ctx.Err() != nil {
		return fmt.Errorf("extract %s: %w", e.name, context.Cause(ctx))
	}
	if err := x.parents(e.name, path.Dir(e.name)); err != nil {
		return err
	}
	var err error
	switch e.mode.Type() {
	case fs.ModeDir:
		x.dirs = append(x.dirs, e)
		err = x.directory(e.name)
	case fs.ModeSymlink:
		if e.target == "" || len(e.target) >= targetLimit || strings.ContainsRune(e.target, 0) {
			return refused(e.name, "is a symbolic link without a usable target")
		}
		x.links = append(x.links, e)
	default:
		err = x.file(e, untilDone(ctx, content))
	}
	if err != nil {
		return fmt.Errorf("extract %s: %w", e.name, err)
	}
	return nil
}

// parents makes dir and what is above it, and refuses to go through a link that was there before. name is the entry below.
func (x *extraction) parents(name, dir string) error {
	if x.made[dir] {
		return nil
	}
	if err := x.parents(name, path.Dir(dir)); err != nil {
		return err
	}
	info, err := x.root.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = x.root.Mkdir(dir, 0o777)
	case err == nil && !info.IsDir():
		return refused(name, fmt.Sprintf("leads through %s, which is a %s", dir, kindOf(info.Mode())))
	}
	if err != nil {
		return fmt.Errorf("create directory for %s: %w", name, err)
	}
	x.made[dir] = true
	return nil
}

func (x *extraction) directory(name string) error {
	if info, err := x.root.Lstat(name); err == nil && !info.IsDir() {
		if err := x.root.Remove(name); err != nil {
			return err
		}
	}
	if err := x.root.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	x.made[name] = true
	return nil
}

func (x *extraction) file(e entry, content io.Reader) error {
	if err := x.clear(e.name); err != nil {
		return err
	}
	f, err := x.root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyAll(f, content, x.buf)
	own(e, f.Chown)
	err = errors.Join(err, f.Chmod(e.mode.Perm()), f.Close())
	if err != nil {
		return err
	}
	return x.root.Chtimes(e.name, time.Time{}, e.modified)
}

// own gives an entry to its owner, where that can be done: only by root, and not if a user namespace does not know the owner.
func own(e entry, chown func(uid, gid int) error) {
	if e.uid >= 0 && e.gid >= 0 {
		_ = chown(e.uid, e.gid)
	}
}

func (x *extraction) chownLink(name string) func(uid, gid int) error {
	return func(uid, gid int) error { return x.root.Lchown(name, uid, gid) }
}

// clear removes what stands in an entry's place.
func (x *extraction) clear(name string) error {
	if err := x.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// finish creates the links and then gives the directories their modes and times, inner ones first.
func (x *extraction) finish() error {
	for _, e := range x.links {
		if err := x.link(e); err != nil {
			return fmt.Errorf("extract link %s: %w", e.name, err)
		}
	}
	for i := len(x.dirs) - 1; i >= 0; i-- {
		e := x.dirs[i]
		if e.name == "." {
			continue
		}
		own(e, x.chownLink(e.name))
		if err := errors.Join(x.root.Chmod(e.name, e.mode.Perm()), x.root.Chtimes(e.name, time.Time{}, e.modified)); err != nil {
			return fmt.Errorf("restore mode and time of directory %s: %w", e.name, err)
		}
	}
	return nil
}

func (x *extraction) link(e entry) error {
	if err := x.clear(e.name); err != nil {
		return err
	}
	if err := x.root.Symlink(e.target, e.name); err != nil {
		return err
	}
	own(e, x.chownLink(e.name))
	// A link that looks new would make a cache look changed.
	dir, err := x.root.Open(path.Dir(e.name))
	if err != nil {
		return err
	}
	defer dir.Close()
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(e.modified.UnixNano())}
	return unix.UtimesNanoAt(int(dir.Fd()), path.Base(e.name), times, unix.AT_SYMLINK_NOFOLLOW)
}

// targetLimit is the longest path that Linux takes, in bytes.
const targetLimit = 4096
