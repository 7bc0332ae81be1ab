package helper

import (
	"os"
	"path/filepath"
	"testing"
)

// plants are ways in which an earlier job can leave a command in its checkout, for a later git to run. Each is given
// the checkout and a script that leaves a mark.
func plants() map[string]func(t *testing.T, project, script string) {
	config := func(key, value string) func(*testing.T, string, string) {
		return func(t *testing.T, project, script string) {
			plainGit(t, project, "config", key, script+value)
		}
	}
	return map[string]func(t *testing.T, project, script string){
		"fsmonitor": config("core.fsmonitor", ""),
		"filter":    config("filter.evil.smudge", ""),
		"hooks path": func(t *testing.T, project, script string) {
			writeFile(t, filepath.Join(project, ".git", "evil", "post-checkout"), "#!/bin/sh\n"+script+"\n")
			plainGit(t, project, "config", "core.hooksPath", ".git/evil")
		},
		"hook": func(t *testing.T, project, script string) {
			writeFile(t, filepath.Join(project, ".git", "hooks", "reference-transaction"), "#!/bin/sh\n"+script+"\n")
		},
		"credential helper": config("credential.helper", ""),
		"included config": func(t *testing.T, project, script string) {
			writeFile(t, filepath.Join(project, "..", "evil.conf"), "[filter \"evil\"]\n\tsmudge = "+script+"\n")
			plainGit(t, project, "config", "--add", "include.path", filepath.Join(project, "..", "evil.conf"))
		},
		"config of a work tree": func(t *testing.T, project, script string) {
			plainGit(t, project, "config", "extensions.worktreeConfig", "true")
			plainGit(t, project, "config", "--worktree", "filter.evil.smudge", script)
		},
		"common directory": func(t *testing.T, project, script string) {
			evil := filepath.Join(project, "..", "evil")
			if err := os.CopyFS(evil, os.DirFS(filepath.Join(project, ".git"))); err != nil {
				t.Fatal(err)
			}
			plainGit(t, project, "config", "-f", filepath.Join(evil, "config"), "filter.evil.smudge", script)
			writeFile(t, filepath.Join(project, ".git", "commondir"), evil+"\n")
		},
		".git is a file": func(t *testing.T, project, script string) {
			plainGit(t, project, "config", "filter.evil.smudge", script)
			moved := filepath.Join(project, "..", "moved")
			rename(t, filepath.Join(project, ".git"), moved)
			writeFile(t, filepath.Join(project, ".git"), "gitdir: "+moved+"\n")
		},
		".git is a link": func(t *testing.T, project, script string) {
			plainGit(t, project, "config", "filter.evil.smudge", script)
			moved := filepath.Join(project, "..", "moved")
			rename(t, filepath.Join(project, ".git"), moved)
			symlink(t, moved, filepath.Join(project, ".git"))
		},
		"project is a link": func(t *testing.T, project, script string) {
			plainGit(t, project, "config", "filter.evil.smudge", script)
			moved := project + "-moved"
			rename(t, project, moved)
			symlink(t, moved, project)
		},
		"remote helper": func(t *testing.T, project, script string) {
			plainGit(t, project, "config", "remote.origin.url", "ext::"+script)
			plainGit(t, project, "config", "protocol.ext.allow", "always")
		},
	}
}

// TestPlantedCommandsDoNotRun shows for each plant that plain git runs it and that the stage does not.
func TestPlantedCommandsDoNotRun(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	first := repo.commit("a.txt", "one", ".gitattributes", "*.txt filter=evil\n")
	second := repo.commit("a.txt", "two")
	for name, plant := range plants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := filepath.Join(t.TempDir(), "ran")
			script := filepath.Join(t.TempDir(), "evil.sh")
			writeFile(t, script, "#!/bin/sh\ntouch "+mark+"\n")
			planted := func() *Request {
				req := newRequest(t, repo, first)
				mustRun(t, req)
				plant(t, req.ProjectDir, script)
				req.Sources.SHA = second
				return req
			}

			control := planted()
			env := append(cleanEnv(), "GIT_TERMINAL_PROMPT=0", "CI_JOB_TOKEN="+testToken)
			plain := commands{env: env, lock: os.Stderr}
			for _, args := range [][]string{{"fetch", "-q", "origin"}, {"checkout", "-f", "-q", second}, {"status"}} {
				_ = plain.git(t.Context(), control.ProjectDir, args...) // its failure is no matter, only what it runs
			}
			if err := os.Remove(mark); err != nil {
				t.Fatalf("plain git does not run what is planted, so this shows nothing: %v", err)
			}

			req := planted()
			os.Remove(mark)
			mustRun(t, req)
			wantGone(t, mark)
			wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "two")
		})
	}
}

// TestLinksAreNotFollowed puts a link in place of everything that the stages write.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	sha := repo.commit("a.txt", "one")
	for _, path := range []string{
		"project", "project.tmp", "project.tmp/KEY", "project.tmp/.gitlab-runner.ext.conf", "project.tmp/git-template",
		"project.tmp/.lced-runner.lock", "project/.git/FETCH_HEAD", "project/.git/config", "project/.git/objects", "project/.git/index",
		"project/.git/logs",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, repo, sha)
			req.FileVariables = []File{{Name: "KEY", Content: []byte("value")}}
			mustRun(t, req)
			target := filepath.Join(t.TempDir(), "target")
			link := filepath.Join(filepath.Dir(req.ProjectDir), path)
			if info, err := os.Stat(link); err == nil && info.IsDir() {
				writeFile(t, filepath.Join(target, "kept"), "kept")
			} else {
				writeFile(t, target, "kept")
			}
			if err := os.RemoveAll(link); err != nil {
				t.Fatal(err)
			}
			symlink(t, target, link)
			mustRun(t, req)
			req.Stage, req.Cleanup = StageCleanup, &Cleanup{FileVariables: []string{"KEY"}, CleanGitConfig: true}
			mustRun(t, req)
			if info, err := os.Stat(target); err != nil || !info.IsDir() {
				wantFile(t, target, "kept")
				return
			}
			wantFile(t, filepath.Join(target, "kept"), "kept")
			if entries, _ := os.ReadDir(target); len(entries) != 1 {
				t.Errorf("something was written through the link: %v", entries)
			}
		})
	}
}

// TestReplacedObjects shows that refs/replace of an earlier job does not change what is checked out.
func TestReplacedObjects(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	mustRun(t, req)
	sha := repo.commit("a.txt", "two")
	plainGit(t, req.ProjectDir, "fetch", "-q", repo.bare, "main")
	writeFile(t, filepath.Join(req.ProjectDir, "evil"), "evil")
	evil := plainGit(t, req.ProjectDir, "hash-object", "-w", "evil")
	plainGit(t, req.ProjectDir, "replace", sha+":a.txt", evil[:40])
	req.Sources.SHA = sha
	mustRun(t, req)
	wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "two")
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
}
