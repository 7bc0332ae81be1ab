package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sweepGitDir removes from a .git directory what an earlier job, or a git that was killed, left there: lock and
// temporary files, everything that is neither file nor directory (a symbolic link makes git write elsewhere, a pipe
// makes it wait), links to other repositories and, with cleanConfig, all configuration and hooks, those of submodules
// included. A .git that is not a directory is removed.
func sweepGitDir(gitDir string, cleanConfig bool) error {
	err := filepath.WalkDir(gitDir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(gitDir, path)
		if err != nil {
			return err
		}
		if !isLeftover(rel, entry) && !(cleanConfig && isConfig(rel, entry)) {
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove leftovers of earlier jobs from %s: %w", gitDir, err)
	}
	return nil
}

// isLeftover says whether an entry of a .git directory must go in any case. No reference can be named *.lock.
func isLeftover(rel string, entry fs.DirEntry) bool {
	name := entry.Name()
	switch {
	case rel == ".":
		return !entry.IsDir()
	case !entry.IsDir() && !entry.Type().IsRegular():
		return true
	case rel == "commondir", name == "commondir" && inModules(rel):
		return true // git would read its configuration from the directory that this file names
	case entry.IsDir():
		parent := filepath.Base(filepath.Dir(rel))
		return parent == "objects" && (strings.HasPrefix(name, "incoming-") || strings.HasPrefix(name, "tmp_objdir-"))
	case strings.HasSuffix(name, ".lock"):
		return true
	}
	return slices.Contains(strings.Split(rel, string(filepath.Separator)), "objects") &&
		(strings.HasPrefix(name, "tmp_") || strings.HasPrefix(name, ".tmp-"))
}

// isConfig says whether an entry of a .git directory configures git. Below modules, where directories may be named after any
// submodule, it goes by the name alone; at worst a remote-tracking branch called "config" is fetched again.
func isConfig(rel string, entry fs.DirEntry) bool {
	name := rel
	if inModules(rel) {
		name = entry.Name()
	}
	switch name {
	case "config", "config.worktree":
		return true
	case "hooks":
		return entry.IsDir()
	case "remotes", "branches":
		// Older homes of remote.*.url; refs/remotes of a submodule is none of them.
		return entry.IsDir() && filepath.Base(filepath.Dir(rel)) != "refs"
	case filepath.Join("info", "attributes"), filepath.Join("info", "sparse-checkout"):
		return true
	}
	return false
}

func inModules(rel string) bool {
	return strings.HasPrefix(rel, "modules"+string(filepath.Separator))
}

// sweepSubmodule empties the directory of a submodule, for git to fill it again, if anything below it is called .git but is not a
// file that points into the .git/modules of the project, as git makes them: git enters submodules and would obey
// any other repository that it finds there.
func sweepSubmodule(projectDir, path string) error {
	modules := filepath.Join(projectDir, ".git", "modules")
	dir := filepath.Join(projectDir, path)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != ".git" || entry.Type().IsRegular() && pointsInto(path, modules) {
			return err
		}
		if err := empty(dir); err != nil {
			return err
		}
		return fs.SkipAll
	})
	if err != nil {
		return fmt.Errorf("remove foreign repositories from submodule %s: %w", path, err)
	}
	return nil
}

// pointsInto says whether a .git file names a directory in modules.
func pointsInto(gitFile, modules string) bool {
	content, err := os.ReadFile(gitFile)
	if err != nil {
		return false
	}
	target, ok := strings.CutPrefix(strings.TrimRight(string(content), "\r\n"), "gitdir: ")
	if !ok {
		return false
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(gitFile), target)
	}
	return below(modules, filepath.Clean(target))
}
