package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// Selection says which files belong into an archive (job-api contract 7.4).
type Selection struct {
	// Dir is the project's directory, an absolute path.
	Dir string
	// Paths are globs in doublestar's syntax, relative to Dir or absolute below it. A directory stands for all it holds.
	Paths []string
	// Exclude are globs that are matched against the relative path of each single file.
	Exclude []string
	// Untracked adds UntrackedFiles, relative paths that git does not know: what `git ls-files -o -z` lists.
	Untracked      bool
	UntrackedFiles []string
}

// File is one thing to store: a regular file, a directory, or a symbolic link.
type File struct {
	Name    string // relative to the selection's directory, with slashes
	Mode    fs.FileMode
	Size    int64 // in bytes
	ModTime time.Time
}

// Files are sorted by name; each name is there once.
type Files []File

// Note is a line for the job log.
type Note struct {
	Warning bool
	Text    string
}

// Select finds the files of a selection. What cannot be stored is left out and told in a note; an error is only the end of
// ctx, or a directory that cannot be opened.
func Select(ctx context.Context, s Selection) (Files, []Note, error) {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the directory to archive from: %w", err)
	}
	defer root.Close()
	f := &finder{
		Selection: s, tree: nofollow{root.FS().(tree)},
		found: map[string]File{}, behindLink: map[string]bool{}, told: map[string]bool{}, excluded: make([]int, len(s.Exclude)),
	}
	for _, pattern := range s.Paths {
		f.add(ctx, pattern)
	}
	if s.Untracked {
		f.addUntracked()
	}
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("look for files to archive: %w", context.Cause(ctx))
	}
	for i, n := range f.excluded {
		if n > 0 {
			f.note("%s: excluded %d files", s.Exclude[i], n)
		}
	}
	return f.files(), f.notes, nil
}

// finder collects the files of one selection.
type finder struct {
	Selection
	tree       nofollow
	found      map[string]File
	behindLink map[string]bool // directories: whether a symbolic link leads to them
	told       map[string]bool // warnings that are given once
	excluded   []int           // how many files each rule left out
	notes      []Note
}

func (f *finder) note(format string, args ...any) {
	f.notes = append(f.notes, Note{Text: fmt.Sprintf(format, args...)})
}

func (f *finder) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !f.told[text] {
		f.told[text] = true
		f.notes = append(f.notes, Note{Warning: true, Text: text})
	}
}

// add takes what one glob matches.
func (f *finder) add(ctx context.Context, pattern string) {
	rel, err := f.relative(pattern)
	if err != nil {
		f.warn("%s: %v", pattern, err)
		return
	}
	found, walked := 0, map[string]bool{}
	take := func(name string, _ fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			f.warn("%s: %v", name, err)
			return nil
		}
		if !walked[name] && f.process(name) {
			found++
		}
		walked[name] = true
		return nil
	}
	err = doublestar.GlobWalk(f.tree, rel, func(match string, _ fs.DirEntry) error {
		// A match inside a directory that matched too has been walked with it.
		if walked[match] || f.linked(path.Dir(match)) {
			return ctx.Err()
		}
		return fs.WalkDir(f.tree, match, take)
	}, doublestar.WithNoFollow())
	switch {
	case err != nil && ctx.Err() == nil:
		f.warn("%s: %v", pattern, err)
	case found == 0:
		f.warn("%s: no matching files. Ensure that the artifact path is relative to the working directory (%s)", pattern, f.Dir)
	default:
		f.note("%s: found %d matching artifact files and directories", pattern, found)
	}
}

// relative makes a glob relative to the directory.
func (f *finder) relative(pattern string) (string, error) {
	rel := path.Clean(pattern)
	if path.IsAbs(pattern) {
		var err error
		if rel, err = filepath.Rel(f.Dir, rel); err != nil {
			return "", err
		}
	}
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", errors.New("not supported: outside build directory")
	}
	if !doublestar.ValidatePattern(rel) {
		return "", doublestar.ErrBadPattern
	}
	return rel, nil
}

func (f *finder) addUntracked() {
	found := 0
	for _, name := range f.UntrackedFiles {
		if name = path.Clean(name); fs.ValidPath(name) && f.process(name) {
			found++
		}
	}
	if found == 0 {
		f.warn("untracked: no files")
		return
	}
	f.note("untracked: found %d files", found)
}

// process takes one name, unless it is excluded or cannot be stored, and says whether it did.
func (f *finder) process(name string) bool {
	if name == "." || f.linked(path.Dir(name)) {
		return false
	}
	info, err := f.tree.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		f.warn("%s: %v", name, err)
		return false
	}
	for i, rule := range f.Exclude {
		if ok, err := doublestar.Match(rule, name); ok && err == nil {
			f.excluded[i]++
			return false
		}
	}
	switch info.Mode().Type() {
	case 0, fs.ModeDir, fs.ModeSymlink:
	default:
		f.warn("%s: left out, since a %s cannot be stored", name, kindOf(info.Mode()))
		return false
	}
	if name == ".git" || strings.HasPrefix(name, ".git/") {
		f.warn("Part of .git directory is on the list of files to archive. This may introduce unexpected problems")
	}
	f.found[name] = File{Name: name, Mode: info.Mode(), Size: info.Size(), ModTime: info.ModTime()}
	return true
}

// linked tells whether a symbolic link leads to dir. The user learns which one: the files are stored by another name at best.
func (f *finder) linked(dir string) bool {
	if dir == "." {
		return false
	}
	if behind, known := f.behindLink[dir]; known {
		return behind
	}
	behind := f.linked(path.Dir(dir))
	if !behind {
		info, err := f.tree.Lstat(dir)
		if behind = err == nil && info.Mode().Type() == fs.ModeSymlink; behind {
			f.warn("%s: a symbolic link, which is not followed; name the directory that it points to", dir)
		}
	}
	f.behindLink[dir] = behind
	return behind
}

func (f *finder) files() Files {
	files := make(Files, 0, len(f.found))
	for _, file := range f.found {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// tree is what [os.Root.FS] can do.
type tree interface {
	fs.ReadDirFS
	fs.ReadLinkFS
}

// nofollow is a tree whose Stat tells about a link, not about what it points to: a link matches although its target is gone.
type nofollow struct{ tree }

func (n nofollow) Stat(name string) (fs.FileInfo, error) { return n.Lstat(name) }

func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeSocket:
		return "socket"
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeDir:
		return "directory"
	case 0:
		return "regular file"
	}
	return "device"
}
