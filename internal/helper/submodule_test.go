package helper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// family is a repository with a submodule that has a submodule of its own. Their addresses are relative, and the inner
// one is an SSH address if ssh is set.
func family(t *testing.T, s *server, ssh string) (parent *origin, sha string) {
	t.Helper()
	inner := s.repository(t, "group/inner", "sha1")
	inner.commit("inner.txt", "inner", ".gitattributes", "*.txt filter=evil\n")
	outer := s.repository(t, "group/outer", "sha1")
	outer.addSubmodule(inner, "deep", "../inner.git", ssh)
	outer.commit("outer.txt", "outer", ".gitattributes", "*.txt filter=evil\n")
	parent = s.repository(t, "group/project", "sha1")
	parent.addSubmodule(outer, "libs/outer", "../outer.git", "")
	return parent, parent.commit("a.txt", "one")
}

// addSubmodule adds child at path; the address is what .gitmodules says in the end.
func (o *origin) addSubmodule(child *origin, path, address, otherAddress string) {
	o.t.Helper()
	plainGit(o.t, o.work, "submodule", "--quiet", "add", child.bare, path)
	if otherAddress != "" {
		address = otherAddress
	}
	plainGit(o.t, o.work, "config", "-f", ".gitmodules", "submodule."+path+".url", address)
}

func TestSubmodules(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	repo, sha := family(t, server, "")
	for _, test := range []struct {
		name     string
		change   func(*Sources)
		line     string
		there    []string
		notThere []string
	}{
		{"none", func(*Sources) {}, "Skipping Git submodules setup", nil, []string{"libs/outer/outer.txt"}},
		{"normal", func(src *Sources) { src.SubmoduleStrategy = SubmodulesNormal },
			"Updating/initializing submodules...", []string{"libs/outer/outer.txt"}, []string{"libs/outer/deep/inner.txt"}},
		{"recursive", func(src *Sources) { src.SubmoduleStrategy, src.SubmoduleDepth = SubmodulesRecursive, 1 },
			"Updating/initializing submodules recursively with git depth set to 1...", []string{"libs/outer/outer.txt", "libs/outer/deep/inner.txt"}, nil},
		{"other paths", func(src *Sources) {
			src.SubmoduleStrategy, src.SubmodulePaths = SubmodulesNormal, []string{":(exclude)libs/outer"}
		}, "Updating/initializing submodules...", nil, []string{"libs/outer/outer.txt"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, repo, sha)
			test.change(req.Sources)
			for range 2 { // the second finds the first's submodules, without their configuration
				wantLines(t, mustRun(t, req).out, green(test.line))
				for _, path := range test.there {
					if _, err := os.Stat(filepath.Join(req.ProjectDir, path)); err != nil {
						t.Error(err)
					}
				}
				for _, path := range test.notThere {
					wantGone(t, filepath.Join(req.ProjectDir, path))
				}
			}
		})
	}
}

func TestSubmoduleMovesOn(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	child := server.repository(t, "group/child", "sha1")
	child.commit("child.txt", "one")
	repo := server.repository(t, "group/project", "sha1")
	repo.addSubmodule(child, "child", "../child.git", "")
	req := newRequest(t, repo, repo.commit())
	req.Sources.SubmoduleStrategy = SubmodulesNormal
	mustRun(t, req)

	newest := child.commit("child.txt", "two")
	plainGit(t, filepath.Join(repo.work, "child"), "fetch", "-q", child.bare, "main")
	plainGit(t, filepath.Join(repo.work, "child"), "checkout", "-q", newest)
	req.Sources.SHA = repo.commit()
	dirty := filepath.Join(req.ProjectDir, "child")
	writeFile(t, filepath.Join(dirty, "child.txt"), "changed by a job")
	writeFile(t, filepath.Join(dirty, "untracked"), "left by a job")
	wantLines(t, mustRun(t, req).out, green("Updated submodules"))
	wantFile(t, filepath.Join(dirty, "child.txt"), "two")
	wantGone(t, filepath.Join(dirty, "untracked"))
}

func TestSubmoduleForceHTTPS(t *testing.T) {
	t.Parallel()
	for port, address := range map[string]string{"": "git@gitlab.example.com:group/inner.git", "2222": "ssh://git@gitlab.example.com:2222/group/inner.git"} {
		t.Run("port "+port, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			repo, sha := family(t, server, address)
			req := newRequest(t, repo, sha)
			req.Sources.SubmoduleStrategy = SubmodulesRecursive
			req.Sources.SubmoduleForceHTTPS = true
			req.Sources.BaseURL = server.URL
			req.Sources.ServerHost, req.Sources.ServerSSHPort = "gitlab.example.com", port
			mustRun(t, req)
			wantFile(t, filepath.Join(req.ProjectDir, "libs/outer/deep/inner.txt"), "inner")
		})
	}
}

func TestSubmoduleRetry(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	repo, sha := family(t, server, "http://127.0.0.1:1/nowhere.git")
	req := newRequest(t, repo, sha)
	req.Sources.SubmoduleStrategy = SubmodulesRecursive
	result := runStage(t, req)
	if result.code == 0 || result.code == ExitBadRequest {
		t.Errorf("exit code %d for a submodule that cannot be had", result.code)
	}
	wantLines(t, result.out, yellow+"Updating submodules failed. Retrying..."+noColour)
}

// TestHostileSubmodules plants commands where git finds them only when it enters submodules.
func TestHostileSubmodules(t *testing.T) {
	t.Parallel()
	repo, sha := family(t, newServer(t), "")
	for name, plant := range map[string]func(t *testing.T, project, script string){
		"config of a submodule": func(t *testing.T, project, script string) {
			plainGit(t, filepath.Join(project, "libs/outer"), "config", "filter.evil.smudge", script)
		},
		"config of an inner submodule": func(t *testing.T, project, script string) {
			plainGit(t, filepath.Join(project, "libs/outer/deep"), "config", "filter.evil.smudge", script)
		},
		"repository in place of a submodule": func(t *testing.T, project, script string) {
			replaceByRepository(t, filepath.Join(project, "libs/outer"), script)
		},
		"repository in place of an inner submodule": func(t *testing.T, project, script string) {
			replaceByRepository(t, filepath.Join(project, "libs/outer/deep"), script)
		},
		"update command": func(t *testing.T, project, script string) {
			plainGit(t, project, "config", "submodule.libs/outer.update", "!"+script)
			plainGit(t, filepath.Join(project, "libs/outer"), "commit", "-q", "--allow-empty", "-m", "something to update from")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := filepath.Join(t.TempDir(), "ran")
			script := filepath.Join(t.TempDir(), "evil.sh")
			writeFile(t, script, "#!/bin/sh\ntouch "+mark+"\n")
			planted := func() *Request {
				req := newRequest(t, repo, sha)
				req.Sources.SubmoduleStrategy = SubmodulesRecursive
				mustRun(t, req)
				plant(t, req.ProjectDir, script)
				// Git filters the files that it writes again.
				writeFile(t, filepath.Join(req.ProjectDir, "libs/outer/outer.txt"), "changed")
				writeFile(t, filepath.Join(req.ProjectDir, "libs/outer/deep/inner.txt"), "changed")
				return req
			}

			control := planted()
			env := append(cleanEnv(), "GIT_TERMINAL_PROMPT=0", "CI_JOB_TOKEN="+testToken)
			plain := commands{env: env, lock: os.Stderr}
			_ = plain.git(t.Context(), control.ProjectDir, "submodule", "foreach", "--recursive", "git reset --hard")
			_ = plain.git(t.Context(), control.ProjectDir, "submodule", "update", "--recursive")
			if err := os.Remove(mark); err != nil {
				t.Fatalf("plain git does not run what is planted, so this shows nothing: %v", err)
			}

			req := planted()
			os.Remove(mark)
			log := mustRun(t, req).out
			wantGone(t, mark)
			wantFile(t, filepath.Join(req.ProjectDir, "libs/outer/outer.txt"), "outer")
			wantFile(t, filepath.Join(req.ProjectDir, "libs/outer/deep/inner.txt"), "inner")
			if strings.Contains(log, "cannot be used") {
				t.Errorf("the checkout was thrown away:\n%s", log)
			}
		})
	}
}

// replaceByRepository puts a repository that runs script, with the same commits, in place of a submodule's .git file.
func replaceByRepository(t *testing.T, dir, script string) {
	t.Helper()
	gitDir := strings.TrimSpace(plainGit(t, dir, "rev-parse", "--absolute-git-dir"))
	if err := os.Remove(filepath.Join(dir, ".git")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, ".git"), os.DirFS(gitDir)); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, ".git", "config")
	elsewhere := t.TempDir()
	plainGit(t, elsewhere, "config", "-f", config, "--unset", "core.worktree")
	plainGit(t, elsewhere, "config", "-f", config, "filter.evil.smudge", script)
}
