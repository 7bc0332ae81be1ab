package helper

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWorktreeCleanup is FF_ENABLE_JOB_CLEANUP: the checkout is left as the next job would make it, and what the job configured
// does not run on the way.
func TestWorktreeCleanup(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			repo := newServer(t).repository(t, "group/project", format)
			req := newRequest(t, repo, repo.commit("a.txt", "one"))
			req.Sources.ObjectFormat = format
			mustRun(t, req)
			pwned := filepath.Join(t.TempDir(), "pwned")
			writeFile(t, filepath.Join(req.ProjectDir, "a.txt"), "changed")
			writeFile(t, filepath.Join(req.ProjectDir, "left", "over"), "")
			hostile := "[core]\n\tfsmonitor = touch " + pwned + "\n[filter \"x\"]\n\tsmudge = touch " + pwned + "; cat\n"
			writeFile(t, filepath.Join(req.ProjectDir, ".git", "config"), hostile)
			writeFile(t, filepath.Join(req.ProjectDir, ".git", "info", "attributes"), "* filter=x\n")
			writeFile(t, filepath.Join(req.TempDir, extConfigFile), hostile)
			writeFile(t, filepath.Join(req.ProjectDir, ".git", "hooks", "post-checkout"), "#!/bin/sh\ntouch "+pwned+"\n")

			cleanup := *req
			cleanup.Stage, cleanup.Cleanup, cleanup.Sources = StageCleanup, &Cleanup{CleanGitConfig: true, Worktree: req.Sources}, nil
			wantLines(t, mustRun(t, &cleanup).out, green("Cleaning up the build directory..."))
			wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "one")
			wantGone(t, filepath.Join(req.ProjectDir, "left"))
			wantGone(t, pwned)
			for _, name := range []string{templateDir, extConfigFile, "../project/.git/config"} {
				wantGone(t, filepath.Join(req.TempDir, name))
			}
			mustRun(t, req)
		})
	}
}

func TestWorktreeCleanupOfSubmodules(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	inner := s.repository(t, "group/inner", "sha1")
	sha := inner.commit("i.txt", "inner")
	outer := s.repository(t, "group/outer", "sha1")
	plainGit(t, outer.work, "update-index", "--add", "--cacheinfo", "160000,"+sha+",inner")
	writeFile(t, filepath.Join(outer.work, "inner", ".keep"), "")
	plainGit(t, outer.work, "config", "-f", ".gitmodules", "submodule.inner.path", "inner")
	plainGit(t, outer.work, "config", "-f", ".gitmodules", "submodule.inner.url", "../inner.git")
	plainGit(t, outer.work, "add", ".gitmodules")
	plainGit(t, outer.work, "commit", "-q", "-m", "submodule")
	plainGit(t, outer.work, "push", "-q", "-f", outer.bare, "main", "HEAD:refs/pipelines/1")
	req := newRequest(t, outer, strings.TrimSpace(plainGit(t, outer.work, "rev-parse", "HEAD")))
	req.Sources.SubmoduleStrategy = SubmodulesNormal
	mustRun(t, req)
	writeFile(t, filepath.Join(req.ProjectDir, "inner", "i.txt"), "changed")
	writeFile(t, filepath.Join(req.ProjectDir, "inner", "left-over"), "")
	req.Stage, req.Cleanup = StageCleanup, &Cleanup{CleanGitConfig: true, Worktree: req.Sources}
	mustRun(t, req)
	wantFile(t, filepath.Join(req.ProjectDir, "inner", "i.txt"), "inner")
	wantGone(t, filepath.Join(req.ProjectDir, "inner", "left-over"))
}

// TestWorktreeCleanupByStrategy: what no later job uses is removed, what git did not bring is kept.
func TestWorktreeCleanupByStrategy(t *testing.T) {
	t.Parallel()
	for strategy, kept := range map[Strategy]bool{StrategyClone: false, StrategyEmpty: false, StrategyNone: true, StrategyFetch: true} { // fetch: no sources ever came
		req := newTransfer(t, StageCleanup)
		writeFile(t, filepath.Join(req.ProjectDir, "file"), "x")
		req.Cleanup = &Cleanup{Worktree: &Sources{Strategy: strategy}}
		mustRun(t, req)
		if kept {
			wantFile(t, filepath.Join(req.ProjectDir, "file"), "x")
		} else {
			wantGone(t, filepath.Join(req.ProjectDir, "file"))
		}
	}
}

// TestFlagsOfGit are settings that come and go with the job's feature flags.
func TestFlagsOfGit(t *testing.T) {
	t.Parallel()
	settings := func(change func(*Sources)) []string {
		req := &Request{TempDir: "/t.tmp", ProjectDir: "/t", Sources: &Sources{RepoURL: "https://gitlab.example.com/a/b.git"}}
		change(req.Sources)
		env, err := req.gitEnvironment(nil, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var pairs []string
		for i, kv := range env {
			if _, key, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(kv, "GIT_CONFIG_KEY_") {
				_, value, _ := strings.Cut(env[i+1], "=")
				pairs = append(pairs, key+"="+value)
			}
		}
		return pairs
	}
	for want, change := range map[string]func(*Sources){
		"transfer.bundleURI=true":                             func(s *Sources) { s.BundleURIs = true },
		"transfer.bundleURI=false":                            func(*Sources) {},
		"http.https://gitlab.example.com.proactiveAuth=basic": func(s *Sources) { s.ProactiveAuth = true },
		"http.extraHeader=X-Gitaly-Correlation-ID: 0123":      func(s *Sources) { s.CorrelationID = "0123" },
	} {
		if got := settings(change); !slices.Contains(got, want) {
			t.Errorf("git has no %s: %q", want, got)
		}
	}
	if got := strings.Join(settings(func(*Sources) {}), " "); strings.Contains(got, "proactiveAuth") || strings.Contains(got, "Correlation") {
		t.Errorf("settings without flags: %s", got)
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for quick, want := range map[bool][2]time.Duration{true: {time.Second, 5 * time.Second}, false: {5 * time.Second, 5 * time.Minute}} {
		if first, longest := (&Request{QuickRetries: quick}).pauses(); first != want[0] || longest != want[1] {
			t.Errorf("quick %t: %v to %v, want %v", quick, first, longest, want)
		}
	}
}
