package helper

import (
	"context"
	"os"
	"path/filepath"
)

// cleanWorktree puts the checkout back to the commit that the job had, or empties it where no later job uses it
// (FF_ENABLE_JOB_CLEANUP).
func (s *stage) cleanWorktree(ctx context.Context) error {
	src := s.Cleanup.Worktree
	if src == nil {
		return nil
	}
	switch src.Strategy {
	case StrategyNone:
		notice(s.out, "Skipping build directory cleanup step")
		return nil
	case StrategyClone, StrategyEmpty:
		notice(s.out, "Removing the build directory...")
		return empty(s.ProjectDir)
	}
	gitDir := filepath.Join(s.ProjectDir, ".git")
	if _, err := os.Lstat(gitDir); err != nil {
		return nil // sources were never there
	}
	// What the job configured must not run here.
	if err := sweepGitDir(gitDir, s.Cleanup.CleanGitConfig); err != nil {
		return err
	}
	notice(s.out, "Cleaning up the build directory...")
	request := *s.Request
	request.Sources = src
	at := sources{stage: stage{Request: &request, commands: s.commands, pause: s.pause}}
	var err error
	if at.privateDir, err = os.MkdirTemp("", "cleanup-"); err != nil {
		return err
	}
	defer os.RemoveAll(at.privateDir)
	if at.env, err = request.gitEnvironment(s.env, at.privateDir); err != nil {
		return err
	}
	if err := at.initialise(ctx); err != nil { // the configuration that was removed says how objects are stored
		return err
	}
	if err := at.git(ctx, s.ProjectDir, "reset", "--hard", "--quiet"); err != nil {
		return err
	}
	if len(src.CleanFlags) > 0 {
		if err := at.git(ctx, s.ProjectDir, append([]string{"clean"}, src.CleanFlags...)...); err != nil {
			return err
		}
	}
	if !src.wantsSubmodules() {
		return nil
	}
	modules := at.submodules()
	if err := modules.sweep(ctx); err != nil {
		return err
	}
	return modules.reset(ctx)
}
