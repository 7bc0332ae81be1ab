package archive

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// gate admits the entries of an archive one by one and refuses those that try to get out of the directory.
type gate struct {
	seen map[string]fs.FileMode // entries so far
	// By name in lower case, since a file system may not tell cases apart:
	links   map[string]bool // symbolic links so far
	parents map[string]bool // directories so far, and those above entries
}

func newGate() *gate {
	return &gate{seen: map[string]fs.FileMode{}, links: map[string]bool{}, parents: map[string]bool{}}
}

// admit returns the clean name of an entry, "." for the directory itself.
func (g *gate) admit(raw string, mode fs.FileMode) (string, error) {
	switch {
	case strings.HasPrefix(raw, "/"):
		return "", refused(raw, "is an absolute path")
	case raw == "" || strings.ContainsRune(raw, 0):
		return "", refused(raw, "is not a name of a file")
	}
	for part := range strings.SplitSeq(raw, "/") {
		if part == ".." {
			return "", refused(raw, "leads out of the directory with ..")
		}
	}
	name := path.Clean(raw)
	if name == "." && !mode.IsDir() {
		return "", refused(raw, "is not a name of a file")
	}
	folded := strings.ToLower(name)
	for dir := path.Dir(folded); dir != "."; dir = path.Dir(dir) {
		if g.links[dir] {
			return "", refused(raw, "leads through a symbolic link of the archive")
		}
		g.parents[dir] = true
	}
	switch mode.Type() {
	case fs.ModeDir:
		if g.links[folded] {
			return "", refused(raw, "is a directory where the archive also has a symbolic link")
		}
		g.parents[folded] = true
	case fs.ModeSymlink:
		if g.parents[folded] {
			return "", refused(raw, "is a symbolic link where the archive also has a directory")
		}
		g.links[folded] = true
	case 0:
	default:
		return "", refused(raw, "is a "+kindOf(mode))
	}
	if earlier, twice := g.seen[name]; twice && !(mode.IsDir() && earlier.IsDir()) {
		return "", refused(raw, "is in the archive twice")
	}
	g.seen[name] = mode
	return name, nil
}

// refused is the one sentence that the user reads.
func refused(name, reason string) error {
	return fmt.Errorf("the archive is refused, since its entry %q %s", name, reason)
}
