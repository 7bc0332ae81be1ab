package helper

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func (src *Sources) wantsSubmodules() bool {
	return src.SubmoduleStrategy == SubmodulesNormal || src.SubmoduleStrategy == SubmodulesRecursive
}

// submodules are those of the checkout in projectDir.
type submodules struct {
	*Sources
	commands
	projectDir, extConfig string
}

func (s *sources) submodules() submodules {
	return submodules{s.Sources, s.commands, s.ProjectDir, filepath.Join(s.TempDir, extConfigFile)}
}

// bring brings the submodules to the commits that the checkout names, with one second try.
func (s submodules) bring(ctx context.Context) error {
	s.announce()
	if err := s.sweep(ctx); err != nil {
		return err
	}
	if err := s.git(ctx, s.projectDir, "submodule", "init"); err != nil {
		return err
	}
	if err := s.sync(ctx); err != nil {
		return err
	}
	if err := s.reset(ctx); err != nil {
		return err
	}
	if err := s.update(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		warning(s.out, "Updating submodules failed. Retrying...")
		if err := s.retry(ctx); err != nil {
			return err
		}
	}
	notice(s.out, "Updated submodules")
	if err := s.sync(ctx); err != nil {
		return err
	}
	if err := s.each(ctx, s.cleanCommand()); err != nil {
		return err
	}
	// Scripts of the job may fetch in submodules, too.
	return s.foreach(ctx, "--recursive", "git config --replace-all include.path "+shellQuote(s.extConfig))
}

func (s submodules) announce() {
	text := "Updating/initializing submodules"
	if s.SubmoduleStrategy == SubmodulesRecursive {
		text += " recursively"
	}
	if depth := s.SubmoduleDepth; depth > 0 {
		text += fmt.Sprintf(" with git depth set to %d", depth)
	}
	notice(s.out, "%s...", text)
}

// sweep looks through the directories of all submodules of the commit before git enters them.
func (s submodules) sweep(ctx context.Context) error {
	list, err := s.output(ctx, s.projectDir, "ls-files", "--stage", "-z")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(list, "\x00") {
		// 160000 is the mode of a submodule's entry.
		entry, path, ok := strings.Cut(line, "\t")
		if !ok || !strings.HasPrefix(entry, "160000 ") {
			continue
		}
		if err := realDir(s.projectDir, filepath.Join(s.projectDir, path)); err != nil {
			return err
		}
		if err := sweepSubmodule(s.projectDir, path); err != nil {
			return err
		}
	}
	return nil
}

func (s submodules) sync(ctx context.Context) error {
	args := append([]string{"submodule", "sync"}, s.recursive()...)
	return s.git(ctx, s.projectDir, append(args, s.paths()...)...)
}

func (s submodules) update(ctx context.Context) error {
	args := append([]string{"submodule", "update", "--init"}, s.recursive()...)
	if depth := s.SubmoduleDepth; depth > 0 {
		args = append(args, "--depth", strconv.Itoa(depth))
	}
	args = append(args, s.SubmoduleUpdateFlags...)
	return s.git(ctx, s.projectDir, append(args, s.paths()...)...)
}

// retry is the second try. With --remote the first may have failed because a shallow fetch left out the branch.
func (s submodules) retry(ctx context.Context) error {
	if slices.Contains(s.SubmoduleUpdateFlags, "--remote") {
		if err := s.each(ctx, "git fetch origin '+refs/heads/*:refs/remotes/origin/*'"); err != nil {
			return err
		}
	}
	if err := s.sync(ctx); err != nil {
		return err
	}
	if err := s.update(ctx); err != nil {
		return err
	}
	return s.each(ctx, "git reset --hard")
}

// reset removes what earlier jobs changed, which could be in the way of an update.
func (s submodules) reset(ctx context.Context) error {
	if err := s.each(ctx, s.cleanCommand()); err != nil {
		return err
	}
	return s.each(ctx, "git reset --hard")
}

// cleanCommand cleans with GIT_CLEAN_FLAGS, and with the default where they are "none": as gitlab-runner does.
func (s submodules) cleanCommand() string {
	flags := s.CleanFlags
	if len(flags) == 0 {
		flags = []string{"-ffdx"}
	}
	command := "git clean"
	for _, flag := range flags {
		command += " " + shellQuote(flag)
	}
	return command
}

// each runs a shell command in every submodule that the strategy reaches.
func (s submodules) each(ctx context.Context, command string) error {
	return s.foreach(ctx, append(s.recursive(), command)...)
}

func (s submodules) foreach(ctx context.Context, args ...string) error {
	return s.git(ctx, s.projectDir, append([]string{"submodule", "foreach"}, args...)...)
}

func (s submodules) recursive() []string {
	if s.SubmoduleStrategy == SubmodulesRecursive {
		return []string{"--recursive"}
	}
	return nil
}

func (s submodules) paths() []string {
	if len(s.SubmodulePaths) == 0 {
		return nil
	}
	return append([]string{"--"}, s.SubmodulePaths...)
}
