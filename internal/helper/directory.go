package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// checkDirectories refuses a project directory that is not strictly below the builds directory: clearing it would clear
// other projects too.
func (r *Request) checkDirectories() error {
	for _, dir := range []string{r.BuildsDir, r.ProjectDir, r.TempDir} {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
			return fmt.Errorf("%w: directory %q is not an absolute, clean path", errBadRequest, dir)
		}
	}
	if !below(r.BuildsDir, r.ProjectDir) {
		return fmt.Errorf("%w: project directory %s is not below the builds directory %s; set GIT_CLONE_PATH to a directory below it",
			errBadRequest, r.ProjectDir, r.BuildsDir)
	}
	if r.TempDir != r.ProjectDir+".tmp" {
		return fmt.Errorf("%w: temporary directory %s is not %s.tmp", errBadRequest, r.TempDir, r.ProjectDir)
	}
	return nil
}

// below says whether path lies in base, which it is not itself.
func below(base, path string) bool {
	rel, err := filepath.Rel(base, path)
	return err == nil && filepath.IsLocal(rel) && rel != "."
}

// realDir makes path a directory that is reached from base through real directories only. A symbolic link or file that an
// earlier job put on the way is removed: following it would let that job choose where this one writes.
func realDir(base, path string) error {
	rel, err := filepath.Rel(base, path)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("create directory %s: it is not below %s", path, base)
	}
	dir := base
	for _, name := range strings.Split(rel, string(filepath.Separator)) {
		dir = filepath.Join(dir, name)
		info, err := os.Lstat(dir)
		if err == nil && !info.IsDir() {
			if err := os.Remove(dir); err != nil {
				return fmt.Errorf("remove what stands in place of a directory: %w", err)
			}
		}
		if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create directory: %w", err)
		}
	}
	return nil
}

// empty removes everything in dir but what is to be kept. The directory itself stays, for it may be a mount point.
func empty(dir string, keep ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list directory to empty it: %w", err)
	}
	for _, entry := range entries {
		if slices.Contains(keep, entry.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("empty directory: %w", err)
		}
	}
	return nil
}

// openToAll makes dir 0777: the root of a fresh volume belongs to root, and a job may run as any user.
func openToAll(dir string) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("make directory writable for every user: %w", err)
	}
	defer f.Close()
	if err := f.Chmod(0o777); err != nil {
		return fmt.Errorf("make directory writable for every user: %w", err)
	}
	return nil
}

// writeFresh replaces whatever stands at path by a new file.
func writeFresh(path string, content []byte, mode fs.FileMode) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("replace file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write file %s: %w", path, err)
	}
	return nil
}

// removeFrom deletes entries of dir, following no link out of it; what is not there is fine.
func removeFrom(dir string, names ...string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open directory to remove files: %w", err)
	}
	defer root.Close()
	for _, name := range names {
		if err := root.RemoveAll(name); err != nil {
			return fmt.Errorf("remove from %s: %w", dir, err)
		}
	}
	return nil
}
