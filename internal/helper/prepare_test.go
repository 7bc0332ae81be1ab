package helper

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPrepareAndCleanup(t *testing.T) {
	t.Parallel()
	builds := t.TempDir()
	if err := os.Chmod(builds, 0o755); err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(builds, "group", "project")
	req := &Request{
		Stage: StagePrepare, BuildsDir: builds, ProjectDir: project, TempDir: project + ".tmp",
		Prepare:       &Prepare{RunnerHost: "board", ChmodDirs: []string{builds}},
		FileVariables: []File{{Name: "KEY", Content: []byte("no newline\x00\xff")}, {Name: "EMPTY"}},
	}
	writeFile(t, filepath.Join(req.TempDir, "gitlab_runner_env"), "OLD=1\n")
	writeFile(t, filepath.Join(req.TempDir, "KEY", "directory"), "in the way")
	writeFile(t, filepath.Join(req.TempDir, "KEY_OF_AN_EARLIER_JOB"), "that was killed")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}

	if got, want := mustRun(t, req).out, "Running on "+host+" via board...\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	wantGone(t, filepath.Join(req.TempDir, "gitlab_runner_env"))
	wantGone(t, filepath.Join(req.TempDir, "KEY_OF_AN_EARLIER_JOB"))
	if _, err := os.Stat(filepath.Join(req.TempDir, lockFile)); err != nil {
		t.Errorf("the lock of the stage at work is gone: %v", err)
	}
	wantFile(t, filepath.Join(req.TempDir, "KEY"), "no newline\x00\xff")
	wantFile(t, filepath.Join(req.TempDir, "EMPTY"), "")
	for path, want := range map[string]os.FileMode{builds: 0o777, req.TempDir: 0o777, filepath.Join(req.TempDir, "KEY"): 0o666} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}

	writeFile(t, filepath.Join(req.TempDir, "gitlab_runner_env"), "NEW=1\n")
	writeFile(t, filepath.Join(req.TempDir, "kept"), "kept")
	writeFile(t, filepath.Join(project, ".git", "config"), "[core]\n")
	writeFile(t, filepath.Join(project, ".git", "hooks", "post-checkout"), "#!/bin/sh\n")
	writeFile(t, filepath.Join(project, ".git", "refs", "remotes", "origin", "config"), "0")
	cleanup := &Request{
		Stage: StageCleanup, BuildsDir: builds, ProjectDir: project, TempDir: req.TempDir,
		Cleanup: &Cleanup{FileVariables: []string{"KEY", "EMPTY", "NEVER_WRITTEN"}, CleanGitConfig: true},
	}
	mustRun(t, cleanup)
	for _, path := range []string{"gitlab_runner_env", "KEY", "EMPTY", "../project/.git/config", "../project/.git/hooks"} {
		wantGone(t, filepath.Join(req.TempDir, path))
	}
	wantFile(t, filepath.Join(req.TempDir, "kept"), "kept")
	wantFile(t, filepath.Join(project, ".git", "refs", "remotes", "origin", "config"), "0")
}

func TestCleanupAfterGetSources(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Sources.CACertPEM, req.Sources.ClientKeyPEM = []byte("a certificate"), []byte("a key")
	mustRun(t, req)
	if found := filesWith(t, req.BuildsDir, "a key"); len(found) > 0 {
		t.Errorf("files on the volume hold the client's key: %v", found)
	}
	req.Stage, req.Cleanup = StageCleanup, &Cleanup{CleanGitConfig: true}
	mustRun(t, req)
	for _, name := range []string{extConfigFile, templateDir} {
		wantGone(t, filepath.Join(req.TempDir, name))
	}
	wantGone(t, filepath.Join(req.ProjectDir, ".git", "config"))
	req.Stage = StageGetSources
	mustRun(t, req)
}
