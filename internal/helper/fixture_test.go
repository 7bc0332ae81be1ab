package helper

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const testToken = "glcbt-test-0123456789"

// server serves the bare repositories below root over HTTP to those who know testToken.
type server struct {
	*httptest.Server
	root string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := newStoppedServer(t)
	s.Start()
	return s
}

func newStoppedServer(t *testing.T) *server {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{root: t.TempDir()}
	backend := &cgi.Handler{
		Path: git,
		Args: []string{"http-backend"},
		Env:  []string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1"},
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "gitlab-ci-token" || password != testToken {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// origin is a repository on the server with a work tree to commit from.
type origin struct {
	t    *testing.T
	url  string
	bare string
	work string
}

func (s *server) repository(t *testing.T, name, format string) *origin {
	t.Helper()
	o := &origin{t: t, url: s.URL + "/" + name + ".git", bare: filepath.Join(s.root, name+".git"), work: t.TempDir()}
	plainGit(t, s.root, "init", "-q", "--bare", "--object-format", format, "-b", "main", o.bare)
	plainGit(t, s.root, "init", "-q", "--object-format", format, "-b", "main", o.work)
	return o
}

// commit writes files (path, content, path, content, …), pushes main and the pipeline's reference, and returns the commit's id.
func (o *origin) commit(files ...string) string {
	o.t.Helper()
	for i := 0; i < len(files); i += 2 {
		writeFile(o.t, filepath.Join(o.work, files[i]), files[i+1])
	}
	plainGit(o.t, o.work, "add", "-A")
	plainGit(o.t, o.work, "commit", "-q", "--allow-empty", "-m", "commit")
	plainGit(o.t, o.work, "push", "-q", "-f", o.bare, "main", "HEAD:refs/pipelines/1")
	return strings.TrimSpace(plainGit(o.t, o.work, "rev-parse", "HEAD"))
}

// plainGit runs git as a user would, without any of the helper's protection.
func plainGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(cleanEnv(),
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newRequest is get_sources of a fetch with depth 20 of the repository's commit, into an empty builds directory.
func newRequest(t *testing.T, o *origin, sha string) *Request {
	t.Helper()
	builds := t.TempDir()
	project := filepath.Join(builds, "group", "project")
	return &Request{
		Stage:     StageGetSources,
		BuildsDir: builds, ProjectDir: project, TempDir: project + ".tmp",
		Sources: &Sources{
			Strategy: StrategyFetch,
			RepoURL:  o.url,
			Username: "gitlab-ci-token",
			Token:    testToken,
			SHA:      sha,
			Ref:      "main",
			Refspecs: []string{"+refs/pipelines/1:refs/pipelines/1", "+refs/heads/main:refs/remotes/origin/main"},
			Depth:    20, FetchFlags: []string{"--prune", "--quiet"}, CleanFlags: []string{"-ffdx"},
			Checkout: true, Attempts: 1, SafeDirectory: true, CleanGitConfig: true,
		},
	}
}

// stageResult is what the runner sees of a stage.
type stageResult struct {
	code      int
	out, errw string
}

// runStage runs a request with stdin held open, as the runner does, and checks what holds for every stage: the token
// appears neither in the log nor in a file.
func runStage(t *testing.T, req *Request, env ...string) stageResult {
	t.Helper()
	line, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	held, release := io.Pipe()
	defer release.Close()
	var out, errw bytes.Buffer
	in := io.MultiReader(bytes.NewReader(append(line, '\n')), held)
	code := Stage(t.Context(), in, &out, &errw, append(cleanEnv(), env...))
	result := stageResult{code, out.String(), errw.String()}
	if strings.Contains(result.out+result.errw, testToken) {
		t.Errorf("the log holds the token:\n%s%s", result.out, result.errw)
	}
	if found := filesWith(t, req.BuildsDir, testToken); len(found) > 0 {
		t.Errorf("files hold the token: %v", found)
	}
	return result
}

// cleanEnv is an environment without the machine's own settings of git.
func cleanEnv() []string {
	return []string{os.ExpandEnv("PATH=$PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}
}

// mustRun is runStage for a stage that has to succeed.
func mustRun(t *testing.T, req *Request, env ...string) stageResult {
	t.Helper()
	result := runStage(t, req, env...)
	if result.code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", req.Stage, result.code, result.out, result.errw)
	}
	return result
}

func filesWith(t *testing.T, dir, text string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if content, err := os.ReadFile(path); err != nil || bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// writeFile writes a file with its directories; a script is executable.
func writeFile(t *testing.T, path, content string) {
	t.Helper()
	mode := os.FileMode(0o666)
	if strings.HasPrefix(content, "#!") {
		mode = 0o777
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", path, err)
	}
}

func wantLines(t *testing.T, log string, lines ...string) {
	t.Helper()
	rest := log
	for _, line := range lines {
		_, after, ok := strings.Cut(rest, line+"\n")
		if !ok {
			t.Errorf("the log lacks %q, or has it in the wrong place:\n%s", line, log)
			return
		}
		rest = after
	}
}

func green(text string) string { return boldGreen + text + noColour }
