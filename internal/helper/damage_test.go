package helper

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLeftoversOfAKilledGit leaves what git leaves when it is killed: the checkout must be reused all the same.
func TestLeftoversOfAKilledGit(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	mustRun(t, req)
	leftovers := []string{
		"index.lock", "shallow.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "refs/remotes/origin/main.lock",
		"refs/pipelines/1.lock", "objects/pack/tmp_pack_abc", "objects/17/tmp_obj_abc", "modules/x/index.lock",
	}
	for _, path := range leftovers {
		writeFile(t, filepath.Join(req.ProjectDir, ".git", path), "")
	}
	kept := filepath.Join(req.ProjectDir, ".git", "kept")
	writeFile(t, kept, "")
	req.Sources.SHA = repo.commit("a.txt", "two")
	mustRun(t, req)
	wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "two")
	wantFile(t, kept, "") // else it is a new repository
	for _, path := range leftovers {
		wantGone(t, filepath.Join(req.ProjectDir, ".git", path))
	}
}

func TestDamagedCheckoutIsReplaced(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	first := repo.commit("a.txt", "one", "b.txt", "same")
	second := repo.commit("a.txt", "two")
	for name, damage := range map[string]func(t *testing.T, gitDir string){
		"empty HEAD":     func(t *testing.T, gitDir string) { writeFile(t, filepath.Join(gitDir, "HEAD"), "") },
		"garbage HEAD":   func(t *testing.T, gitDir string) { writeFile(t, filepath.Join(gitDir, "HEAD"), "\x00\x00") },
		"broken index":   func(t *testing.T, gitDir string) { writeFile(t, filepath.Join(gitDir, "index"), "DIRC\x00") },
		"no objects":     func(t *testing.T, gitDir string) { removeAll(t, filepath.Join(gitDir, "objects")) },
		"broken packs":   func(t *testing.T, gitDir string) { overwrite(t, filepath.Join(gitDir, "objects")) },
		"empty refs":     func(t *testing.T, gitDir string) { overwrite(t, filepath.Join(gitDir, "refs")) },
		"broken shallow": func(t *testing.T, gitDir string) { writeFile(t, filepath.Join(gitDir, "shallow"), "x\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, repo, first)
			mustRun(t, req)
			damage(t, filepath.Join(req.ProjectDir, ".git"))
			req.Sources.SHA = second
			mustRun(t, req)
			wantFile(t, filepath.Join(req.ProjectDir, "a.txt"), "two")
			wantFile(t, filepath.Join(req.ProjectDir, "b.txt"), "same")
		})
	}
}

// TestServerTroubleKeepsTheCheckout: where the server is at fault, a new clone would not help and cost the old one.
func TestServerTroubleKeepsTheCheckout(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	repo := server.repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	mustRun(t, req)
	kept := filepath.Join(req.ProjectDir, ".git", "kept")
	writeFile(t, kept, "")
	for name, change := range map[string]func(*Sources){
		"branch is gone":    func(src *Sources) { src.Refspecs = []string{"+refs/heads/gone:refs/remotes/origin/gone"} },
		"server is gone":    func(src *Sources) { src.RepoURL = "http://127.0.0.1:1/project.git" },
		"token has expired": func(src *Sources) { src.Token = "expired" },
	} {
		changed, sources := *req, *req.Sources
		change(&sources)
		changed.Sources = &sources
		if got := runStage(t, &changed); got.code != 128 {
			t.Errorf("%s: exit code %d, want git's 128\n%s%s", name, got.code, got.out, got.errw)
		}
		wantFile(t, kept, "")
	}
}

// TestAttempts fails the first attempts in a hook.
func TestAttempts(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	mustRun(t, req)
	count := filepath.Join(t.TempDir(), "count")
	writeFile(t, filepath.Join(req.ProjectDir, "untracked"), "")
	req.Sources.Attempts = 3
	req.Sources.CleanFlags = nil
	req.Sources.PreHooks = []string{"echo >>" + count + "; ls " + req.ProjectDir + "; test $(wc -l <" + count + ") = 3"}

	var pauses []time.Duration
	var out bytes.Buffer
	lock, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	run := commands{out: &out, errw: &out, env: cleanEnv(), lock: lock}
	s := &sources{stage: stage{Request: req, commands: run, pause: func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}}}
	if err := s.get(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if len(pauses) != 2 || pauses[0] != 5*time.Second || pauses[1] != 10*time.Second {
		t.Errorf("pauses %v, want 5 s and 10 s", pauses)
	}
	clearing := green("Deleting all tracked and untracked files due to source fetch failure")
	wantLines(t, out.String(), "a.txt\nuntracked", clearing, green("Checking out "+req.Sources.SHA[:8]+" as detached HEAD (ref is main)..."))
	if strings.Count(out.String(), clearing) != 1 {
		t.Errorf("the work tree is cleared before the second attempt only:\n%s", &out)
	}
	wantGone(t, filepath.Join(req.ProjectDir, "untracked"))
}

// hangingServer accepts a fetch and never answers; asked is closed at the first request.
func hangingServer(t *testing.T) (address string, asked chan struct{}) {
	t.Helper()
	asked, stop := make(chan struct{}), make(chan struct{})
	first := true
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if first {
			first = false
			close(asked)
		}
		<-stop
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(stop) })
	return s.URL + "/group/project.git", asked
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// overwrite empties every file below dir, as a power cut does with files that were not yet written out.
func overwrite(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Truncate(path, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}
