package helper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// sources is the stage get_sources at work.
type sources struct {
	stage
	// privateDir is a directory outside all volumes, for certificates.
	privateDir string
}

// get makes the attempts. What it runs has the environment of the stage, and of git besides.
func (s *sources) get(ctx context.Context) error {
	if err := s.Sources.check(); err != nil {
		return err
	}
	var err error
	if s.privateDir, err = os.MkdirTemp("", "get-sources-"); err != nil {
		return fmt.Errorf("create a directory for certificates: %w", err)
	}
	defer os.RemoveAll(s.privateDir)
	if s.env, err = s.gitEnvironment(s.env, s.privateDir); err != nil {
		return err
	}
	return s.attempts(ctx, s.Sources.Attempts, "Getting sources failed", func(n int) error { return s.attempt(ctx, n) })
}

// check finds requests that git would misunderstand.
func (src *Sources) check() error {
	switch src.SubmoduleStrategy {
	case "", SubmodulesNone, SubmodulesNormal, SubmodulesRecursive:
	default:
		return fmt.Errorf("%w: unknown GIT_SUBMODULE_STRATEGY %q; use none, normal or recursive", errBadRequest, src.SubmoduleStrategy)
	}
	switch src.Strategy {
	case StrategyNone, StrategyEmpty:
		return nil
	case StrategyClone, StrategyFetch:
	default:
		return fmt.Errorf("%w: unknown GIT_STRATEGY %q; use clone, fetch, none or empty", errBadRequest, src.Strategy)
	}
	repo, err := url.Parse(src.RepoURL)
	if err != nil || repo.Host == "" {
		return fmt.Errorf("%w: the repository's address is not a URL", errBadRequest)
	}
	if _, secret := repo.User.Password(); secret {
		return fmt.Errorf("%w: the repository's address holds a password", errBadRequest)
	}
	if !isObjectID(src.SHA) {
		return fmt.Errorf("%w: %q is not the id of a commit", errBadRequest, src.SHA)
	}
	switch src.ObjectFormat {
	case "", "sha1", "sha256":
	default:
		return fmt.Errorf("%w: unknown object format %q", errBadRequest, src.ObjectFormat)
	}
	return nil
}

func isObjectID(text string) bool {
	return regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`).MatchString(text)
}

// attempt is one run of the whole stage; the second begins with a cleared work tree.
func (s *sources) attempt(ctx context.Context, n int) error {
	if err := realDir(s.BuildsDir, s.ProjectDir); err != nil {
		return err
	}
	src := s.Sources
	switch src.Strategy {
	case StrategyNone:
		notice(s.out, "Skipping Git repository setup")
		s.saySkipped()
		return nil
	case StrategyEmpty:
		notice(s.out, "Skipping Git repository setup and creating an empty build directory")
		s.saySkipped()
		return empty(s.ProjectDir)
	}
	// Before hooks too: they may well call git.
	if err := sweepGitDir(s.gitDir(), src.CleanGitConfig); err != nil {
		return err
	}
	if n == 2 {
		if err := s.clearWorktree(ctx); err != nil {
			return err
		}
	}
	if src.CorrelationID != "" {
		notice(s.out, "Gitaly correlation ID: %s", src.CorrelationID)
	}
	if err := writeFresh(filepath.Join(s.TempDir, extConfigFile), []byte(src.extConfig()), 0o666); err != nil {
		return err
	}
	if err := s.hooks(ctx, "", src.PreHooks); err != nil {
		return err
	}
	if err := s.repository(ctx); err != nil {
		return err
	}
	if err := s.pullLFS(ctx); err != nil {
		return err
	}
	return s.hooks(ctx, s.ProjectDir, src.PostHooks)
}

func (s *sources) saySkipped() {
	notice(s.out, "Skipping Git checkout")
	notice(s.out, "Skipping Git submodules setup")
}

func (s *sources) gitDir() string { return filepath.Join(s.ProjectDir, ".git") }

func (s *sources) hooks(ctx context.Context, dir string, scripts []string) error {
	for _, text := range scripts {
		if err := s.script(ctx, dir, text); err != nil {
			return err
		}
	}
	return nil
}

// clearWorktree prepares the second attempt: the first may have failed over what lay there.
func (s *sources) clearWorktree(ctx context.Context) error {
	if _, err := os.Lstat(s.gitDir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.interlude("clear_worktree", "Deleting all tracked and untracked files due to source fetch failure", TitleGetSources, func() error {
		if err := s.git(ctx, s.ProjectDir, "rm", "-rf", "--ignore-unmatch", "--quiet", "."); err != nil {
			return err
		}
		return s.git(ctx, s.ProjectDir, "clean", "-ffdx", "-q")
	})
}

// repository brings checkout and submodules to the commit. Where that fails although the server has everything, the
// checkout of an earlier job is damaged (a power cut leaves empty objects), and a new one takes its place.
func (s *sources) repository(ctx context.Context) error {
	if s.Sources.Strategy == StrategyClone {
		if err := empty(s.ProjectDir); err != nil {
			return err
		}
	}
	_, err := os.Lstat(s.gitDir())
	reused := err == nil
	err = s.update(ctx)
	if err == nil || !reused || ctx.Err() != nil || !s.serverHasAll(ctx) {
		return err
	}
	warning(s.out, "The checkout of an earlier job cannot be used any more. Starting with an empty directory...")
	if err := empty(s.ProjectDir); err != nil {
		return err
	}
	return s.update(ctx)
}

func (s *sources) update(ctx context.Context) error {
	if err := s.fetch(ctx); err != nil {
		return err
	}
	if err := s.checkout(ctx); err != nil {
		return err
	}
	if !s.Sources.wantsSubmodules() {
		notice(s.out, "Skipping Git submodules setup")
		return nil
	}
	return s.submodules().bring(ctx)
}

// serverHasAll asks the server, far from the damaged checkout, for the references that were to be fetched.
func (s *sources) serverHasAll(ctx context.Context) bool {
	var refs []string
	for _, refspec := range s.Sources.Refspecs {
		ref, _, _ := strings.Cut(strings.TrimPrefix(refspec, "+"), ":")
		if !isObjectID(ref) && !strings.Contains(ref, "*") {
			refs = append(refs, ref)
		}
	}
	ask := s.commands
	ask.errw = nil // the user has read once why the server cannot be reached
	list, err := ask.output(ctx, s.privateDir, append([]string{"ls-remote", "--quiet", "--", s.Sources.RepoURL}, refs...)...)
	for _, ref := range refs {
		if !strings.Contains(list, "\t"+ref+"\n") {
			return false
		}
	}
	return err == nil
}
