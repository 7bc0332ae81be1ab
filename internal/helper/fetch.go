package helper

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// fetch makes the repository where there is none, and brings the job's references into it.
func (s *sources) fetch(ctx context.Context) error {
	src := s.Sources
	if src.Depth > 0 {
		notice(s.out, "Fetching changes with git depth set to %d...", src.Depth)
	} else {
		notice(s.out, "Fetching changes...")
	}
	if err := s.initialise(ctx); err != nil {
		return err
	}
	args := []string{"fetch", "--no-recurse-submodules"}
	if src.Depth > 0 {
		args = append(args, "--depth", strconv.Itoa(src.Depth))
	} else if info, err := os.Lstat(filepath.Join(s.gitDir(), "shallow")); err == nil && info.Size() > 0 {
		args = append(args, "--unshallow")
	}
	args = append(args, src.FetchFlags...)
	args = append(args, "--", "origin")
	return s.git(ctx, s.ProjectDir, append(args, src.Refspecs...)...)
}

// initialise runs git init, which also writes the configuration that sweepGitDir removed from an existing repository.
func (s *sources) initialise(ctx context.Context) error {
	template := filepath.Join(s.TempDir, templateDir)
	if err := removeFrom(s.TempDir, templateDir); err != nil {
		return err
	}
	if err := realDir(s.TempDir, template); err != nil {
		return err
	}
	if err := writeFresh(filepath.Join(template, "config"), []byte(s.templateConfig()), 0o666); err != nil {
		return err
	}
	_, err := os.Lstat(s.gitDir())
	reused := err == nil
	_, err = os.Lstat(filepath.Join(s.gitDir(), "config"))
	configured := err == nil

	args := []string{"init", "--template", template}
	if s.Sources.ObjectFormat == "sha256" {
		args = append(args, "--object-format", "sha256")
	}
	if err := s.git(ctx, s.ProjectDir, args...); err != nil {
		return err
	}
	if !reused {
		notice(s.out, "Created fresh repository.")
	}
	if !configured {
		return nil
	}
	// A configuration that clean_git_config = false kept is not overwritten by the template's.
	if err := s.git(ctx, s.ProjectDir, "config", "--replace-all", "remote.origin.url", s.Sources.RepoURL); err != nil {
		return err
	}
	return s.git(ctx, s.ProjectDir, "config", "--replace-all", "include.path",
		filepath.Join(s.TempDir, extConfigFile), regexp.QuoteMeta(extConfigFile)+"$")
}

// checkout puts the commit into the work tree and removes files that are not part of it.
func (s *sources) checkout(ctx context.Context) error {
	src := s.Sources
	if !src.Checkout {
		notice(s.out, "Skipping Git checkout")
		return nil
	}
	notice(s.out, "Checking out %s as detached HEAD (ref is %s)...", src.SHA[:8], src.Ref)
	if err := s.git(ctx, s.ProjectDir, "-c", "submodule.recurse=false", "checkout", "-f", "-q", src.SHA); err != nil {
		return err
	}
	if len(src.CleanFlags) == 0 {
		return nil
	}
	return s.git(ctx, s.ProjectDir, append([]string{"clean"}, src.CleanFlags...)...)
}

// pullLFS fetches large files, here and in the submodules, where git-lfs is installed.
func (s *sources) pullLFS(ctx context.Context) error {
	src := s.Sources
	if src.SkipLFS || s.silent(ctx, s.ProjectDir, "lfs", "version") != nil {
		return nil
	}
	// git-lfs writes files only where its filters are configured, which a repository would do by `git lfs install`.
	filtered := *s
	filtered.env = withSettings(s.env, []setting{
		{"filter.lfs.clean", "git-lfs clean -- %f"},
		{"filter.lfs.smudge", "git-lfs smudge -- %f"},
		{"filter.lfs.process", "git-lfs filter-process"},
		{"filter.lfs.required", "true"},
	})
	if src.Checkout {
		if err := filtered.git(ctx, s.ProjectDir, "lfs", "pull"); err != nil {
			return err
		}
	}
	if !src.wantsSubmodules() {
		return nil
	}
	notice(s.out, "Pulling LFS files...")
	return filtered.submodules().each(ctx, "git lfs pull")
}
