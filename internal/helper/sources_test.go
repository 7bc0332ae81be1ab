package helper

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	first := repo.commit("a.txt", "one", "run.sh", "#!/bin/sh")
	req := newRequest(t, repo, first)

	log := mustRun(t, req).out
	wantLines(t, log,
		green("Fetching changes with git depth set to 20..."),
		"Initialized empty Git repository in "+req.ProjectDir+"/.git/",
		green("Created fresh repository."),
		green("Checking out "+first[:8]+" as detached HEAD (ref is main)..."),
		green("Skipping Git submodules setup"))
	wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "one")
	if info, err := os.Stat(filepath.Join(req.ProjectDir, "a.txt")); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("a.txt is %v (%v), want a file that every user may write", info.Mode(), err)
	}

	second := repo.commit("a.txt", "two")
	writeFile(t, filepath.Join(req.ProjectDir, "untracked", "file"), "x")
	writeFile(t, filepath.Join(req.ProjectDir, "run.sh"), "changed")
	req.Sources.SHA = second
	log = mustRun(t, req).out
	wantLines(t, log, "Reinitialized existing Git repository in "+req.ProjectDir+"/.git/")
	if strings.Contains(log, "Created fresh") {
		t.Errorf("a reused checkout is called fresh:\n%s", log)
	}
	wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "two")
	wantFile(t, filepath.Join(req.ProjectDir, "run.sh"), "#!/bin/sh")
	wantGone(t, filepath.Join(req.ProjectDir, "untracked"))
}

func TestStrategies(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	sha := repo.commit("a.txt", "one")
	skipped := []string{green("Skipping Git checkout"), green("Skipping Git submodules setup")}
	for _, test := range []struct {
		strategy       Strategy
		lines          []string
		old, sources   bool
		ranHook, fresh bool
	}{
		{strategy: StrategyFetch, old: true, sources: true, ranHook: true, fresh: true},
		{strategy: StrategyClone, sources: true, ranHook: true, fresh: true},
		{strategy: StrategyNone, lines: append([]string{green("Skipping Git repository setup")}, skipped...), old: true},
		{strategy: StrategyEmpty, lines: append([]string{green("Skipping Git repository setup and creating an empty build directory")}, skipped...)},
	} {
		t.Run(string(test.strategy), func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, repo, sha)
			req.Sources.Strategy = test.strategy
			req.Sources.CleanFlags = nil
			req.Sources.PreHooks = []string{"echo pre hook"}
			writeFile(t, filepath.Join(req.ProjectDir, "old"), "old")
			log := mustRun(t, req).out
			wantLines(t, log, test.lines...)
			for path, want := range map[string]bool{"old": test.old, "a.txt": test.sources, ".git": test.sources} {
				if _, err := os.Stat(filepath.Join(req.ProjectDir, path)); (err == nil) != want {
					t.Errorf("%s: %v, want it there: %v", path, err, want)
				}
			}
			if got := strings.Contains(log, "pre hook"); got != test.ranHook {
				t.Errorf("hook ran: %v, want %v", got, test.ranHook)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	repo.commit("a.txt", "one")
	repo.commit("a.txt", "two")
	sha := repo.commit("a.txt", "three")
	plainGit(t, repo.work, "tag", "v1", sha)
	plainGit(t, repo.work, "push", "-q", repo.bare, "v1")
	req := newRequest(t, repo, sha)
	req.Sources.Depth = 1
	mustRun(t, req)
	if got := plainGit(t, req.ProjectDir, "rev-list", "--count", "HEAD"); got != "1\n" {
		t.Errorf("depth 1 has %s commits", got)
	}
	req.Sources.Depth = 0
	req.Sources.Ref = "v1"
	req.Sources.Refspecs = []string{"+refs/pipelines/1:refs/pipelines/1", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"}
	log := mustRun(t, req).out
	wantLines(t, log, green("Fetching changes..."), green("Checking out "+sha[:8]+" as detached HEAD (ref is v1)..."))
	if got := plainGit(t, req.ProjectDir, "rev-list", "--count", "v1"); got != "3\n" {
		t.Errorf("the whole history has %s commits, want 3", got)
	}
	mustRun(t, req) // a complete repository is not unshallowed again
}

func TestSHA256(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha256")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Sources.ObjectFormat = "sha256"
	mustRun(t, req)
	req.Sources.SHA = repo.commit("a.txt", "two")
	log := mustRun(t, req).out
	wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "two")
	if strings.Contains(log, "cannot be used") {
		t.Errorf("the checkout was not reused:\n%s", log)
	}
}

func TestNoCheckout(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Sources.Checkout = false
	wantLines(t, mustRun(t, req).out, green("Skipping Git checkout"), green("Skipping Git submodules setup"))
	wantGone(t, filepath.Join(req.ProjectDir, "a.txt"))
	plainGit(t, req.ProjectDir, "cat-file", "-e", req.Sources.SHA)
}

func TestHooks(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Env = []string{"GREETING=hello", "PATH=/nowhere", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=lced.test", "GIT_CONFIG_VALUE_0=kept"}
	req.Sources.PreHooks = []string{"echo pre $GREETING; git config lced.test"}
	req.Sources.PostHooks = []string{"echo post $(cat a.txt)", "git fetch --quiet origin main && echo fetched"}
	wantLines(t, mustRun(t, req).out, "pre hello", "kept", green("Skipping Git submodules setup"), "post one", "fetched")

	req.Sources.PostHooks = []string{"exit 7"}
	if got := runStage(t, req); got.code != 7 {
		t.Errorf("a hook that exits with 7 gives %d", got.code)
	}
}

func TestKeptConfigFollowsTheRequest(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	repo := server.repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Sources.CleanGitConfig = false
	mustRun(t, req)
	plainGit(t, req.ProjectDir, "config", "lced.test", "kept")
	plainGit(t, req.ProjectDir, "config", "remote.origin.url", "http://127.0.0.1:1/moved.git")
	mustRun(t, req)
	config := plainGit(t, req.ProjectDir, "config", "--local", "--no-includes", "--list")
	for _, line := range []string{"lced.test=kept\n", "remote.origin.url=" + repo.url + "\n"} {
		if strings.Count(config, line) != 1 {
			t.Errorf("want %q once in\n%s", line, config)
		}
	}
	if strings.Count(config, "include.path=") != 1 {
		t.Errorf("want one include.path in\n%s", config)
	}
}

func TestOwnCertificateAuthority(t *testing.T) {
	t.Parallel()
	server := newStoppedServer(t)
	server.StartTLS()
	repo := server.repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	if got := runStage(t, req); got.code == 0 {
		t.Fatal("git takes any certificate, so the rest shows nothing")
	}
	req.Sources.CACertPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	mustRun(t, req)
	wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "one")
}

func TestLFS(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	bin := t.TempDir()
	writeFile(t, filepath.Join(bin, "git-lfs"), "#!/bin/sh\necho git-lfs \"$@\" skip=$GIT_LFS_SKIP_SMUDGE required=$(git config filter.lfs.required)\n")
	path := os.ExpandEnv("PATH=" + bin + ":$PATH")
	wantLines(t, mustRun(t, req, path).out, "git-lfs pull skip=1 required=true")
	req.Sources.SkipLFS = true
	if log := mustRun(t, req, path).out; strings.Contains(log, "git-lfs") {
		t.Errorf("git-lfs ran although the user does not want it:\n%s", log)
	}
}

func TestJobScriptsCanFetch(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	mustRun(t, req)
	t.Run("with the token in the environment", func(t *testing.T) {
		c := commands{out: t.Output(), errw: t.Output(), env: append(cleanEnv(), "CI_JOB_TOKEN="+testToken), lock: os.Stderr}
		if err := c.git(t.Context(), req.ProjectDir, "fetch", "-q", "origin"); err != nil {
			t.Error(err)
		}
	})
	t.Run("not without", func(t *testing.T) {
		c := commands{env: append(cleanEnv(), "GIT_TERMINAL_PROMPT=0", "CI_JOB_TOKEN="), lock: os.Stderr}
		if err := c.git(t.Context(), req.ProjectDir, "fetch", "-q", "origin"); err == nil {
			t.Error("the server gives the repository to anybody, so the other test shows nothing")
		}
	})
}
