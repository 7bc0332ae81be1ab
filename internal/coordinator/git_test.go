package coordinator

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
)

// newRepository makes a repository with two commits, a branch and a tag.
func newRepository(t *testing.T, format string) string {
	t.Helper()
	dir := t.TempDir()
	runGit(t, dir, "init", "--quiet", "--initial-branch=main", "--object-format="+format)
	write(t, dir, "file", "first\n")
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "-m", "First")
	runGit(t, dir, "tag", "v1")
	write(t, dir, "file", "second\n")
	runGit(t, dir, "commit", "--quiet", "-am", "Second title\n\nIts $body.")
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func values(payload map[string]any) map[string]string {
	out := map[string]string{}
	for _, v := range payload["variables"].([]any) {
		variable := v.(map[string]any)
		out[variable["key"].(string)] = variable["value"].(string)
	}
	return out
}

func TestClone(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			source := newRepository(t, format)
			bare := filepath.Join(t.TempDir(), "bare.git")
			runGit(t, source, "clone", "--quiet", "--bare", source, bare)
			c := start(t, Options{})
			spec := JobSpec{
				Job:        ciyaml.Job{Script: []string{"x"}},
				Repository: Repository{Dir: bare, Path: "group/sub/app", Ref: "main"},
			}
			if _, err := c.server.Enqueue(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			payload := c.take()
			info := payload["git_info"].(map[string]any)
			wantEqual(t, "object format", format, info["repo_object_format"].(string))
			wantEqual(t, "sha", runGit(t, source, "rev-parse", "HEAD"), info["sha"].(string))

			// As a runner does it: an empty repository of the format, then exactly the refspecs.
			work := t.TempDir()
			runGit(t, work, "init", "--quiet", "--object-format="+format)
			args := []string{"-c", "protocol.version=2", "fetch", "--quiet", "--depth", fmt.Sprint(info["depth"]), info["repo_url"].(string)}
			for _, refspec := range info["refspecs"].([]any) {
				args = append(args, refspec.(string))
			}
			runGit(t, work, args...)
			runGit(t, work, "checkout", "--quiet", "--detach", info["sha"].(string))
			wantEqual(t, "pipeline ref", info["sha"].(string), runGit(t, work, "rev-parse", "refs/pipelines/1"))
			wantEqual(t, "file", "second", runGit(t, work, "show", "HEAD:file"))

			got := values(payload)
			wantEqual(t, "CI_COMMIT_MESSAGE", "Second title\n\nIts $body.\n", got["CI_COMMIT_MESSAGE"])
			wantEqual(t, "CI_COMMIT_DESCRIPTION", "Its $body.\n", got["CI_COMMIT_DESCRIPTION"])
			wantEqual(t, "CI_COMMIT_AUTHOR", "Ann <ann@example.net>", got["CI_COMMIT_AUTHOR"])
			c.wantViolations()
		})
	}
}

func TestGitAccess(t *testing.T) {
	t.Parallel()
	source := newRepository(t, "sha1")
	bare := filepath.Join(t.TempDir(), "bare.git")
	runGit(t, source, "clone", "--quiet", "--bare", source, bare)
	c := start(t, Options{})
	c.server.AddProject("group/other", bare)
	job := c.lease(JobSpec{Repository: Repository{Dir: bare, Path: "group/app"}})
	address := func(token, path string) string {
		return strings.Replace(c.url, "http://", "http://gitlab-ci-token:"+token+"@", 1) + path
	}
	for name, a := range map[string]struct {
		url, want string // want is part of git's error; empty: it works
	}{
		"job token":                {address(job.token, "/group/app.git"), ""},
		"another project":          {address(job.token, "/group/other.git"), ""},
		"wrong token":              {address("glcbt-wrong", "/group/app.git"), "Authentication failed"},
		"no token":                 {c.url + "/group/app.git", "could not read Username"},
		"unknown project":          {address(job.token, "/group/none.git"), "not found"},
		"outside of the base path": {address(job.token, "/../group/app.git"), "not found"},
	} {
		text, err := tryGit(t.Context(), source, "ls-remote", a.url)
		if a.want == "" && err != nil || a.want != "" && (err == nil || !strings.Contains(text, a.want)) {
			t.Errorf("%s: %v, %s; want %q", name, err, text, a.want)
		}
	}
	if text, err := tryGit(t.Context(), source, "push", "--quiet", address(job.token, "/group/app.git"), "HEAD:refs/heads/new"); err == nil {
		t.Errorf("push works: %s", text)
	}
	work := t.TempDir()
	runGit(t, work, "init", "--quiet")
	runGit(t, work, "fetch", "--quiet", address(job.token, "/group/app.git"), runGit(t, source, "rev-parse", "v1"))

	c.server.Inject(Fault{Endpoint: EndpointGit, Status: http.StatusServiceUnavailable})
	if text, err := tryGit(t.Context(), source, "ls-remote", address(job.token, "/group/app.git")); err == nil || !strings.Contains(text, "503") {
		t.Errorf("with a fault: %v, %s", err, text)
	}
	job.put(StateSuccess, nil)
	if text, err := tryGit(t.Context(), source, "ls-remote", address(job.token, "/group/app.git")); err == nil {
		t.Errorf("the token of an ended job works: %s", text)
	}
	c.wantViolations()
}

// TestChunkedRequest sends what git sends when it has more to say than its post buffer holds.
func TestChunkedRequest(t *testing.T) {
	t.Parallel()
	source := newRepository(t, "sha1")
	bare := filepath.Join(t.TempDir(), "bare.git")
	runGit(t, source, "clone", "--quiet", "--bare", source, bare)
	c := start(t, Options{})
	job := c.lease(JobSpec{Repository: Repository{Dir: bare, Path: "group/app"}})
	body := struct{ io.Reader }{strings.NewReader("0014command=ls-refs\n0000")} // hides its length
	request, err := http.NewRequestWithContext(t.Context(), "POST", c.url+"/group/app.git/git-upload-pack", body)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("gitlab-ci-token", job.token)
	request.Header.Set("Git-Protocol", "version=2")
	request.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(text), "refs/pipelines/1") {
		t.Errorf("answered %d %q, %v", response.StatusCode, text, err)
	}
}

func TestSubmitErrors(t *testing.T) {
	t.Parallel()
	source := newRepository(t, "sha1")
	c := start(t, Options{})
	for name, repository := range map[string]Repository{
		"no repository": {Dir: t.TempDir(), Ref: "main"},
		"no branch":     {Dir: source, Ref: "other"},
		"no commit":     {Dir: source, SHA: strings.Repeat("1", 40)},
	} {
		if _, err := c.server.Enqueue(t.Context(), JobSpec{Repository: repository}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// contents lists every file below a directory with its content, to see that nothing changed.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string // git ls-tree's names and contents
		clean  bool
	}{
		"clean": {func(*testing.T, string) {}, "file=second", true},
		"uncommitted and untracked": {func(t *testing.T, dir string) {
			write(t, dir, "file", "third\n")
			write(t, dir, "sub/new", "new\n")
			write(t, dir, ".gitignore", "ignored\n")
			write(t, dir, "ignored", "x\n")
		}, ".gitignore=ignored file=third sub/new=new", false},
		"staged and deleted": {func(t *testing.T, dir string) {
			write(t, dir, "staged", "s\n")
			runGit(t, dir, "add", "staged")
			if err := os.Remove(filepath.Join(dir, "file")); err != nil {
				t.Fatal(err)
			}
		}, "staged=s", false},
		"tracked although ignored": {func(t *testing.T, dir string) {
			write(t, dir, ".gitignore", "file\n")
			write(t, dir, "file", "third\n")
		}, ".gitignore=file file=third", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newRepository(t, "sha1")
			c.change(t, dir)
			head := runGit(t, dir, "rev-parse", "HEAD")
			before := contents(t, dir)
			bare := filepath.Join(t.TempDir(), "bare")
			got, err := Snapshot(t.Context(), dir, bare)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "the user's files", before, contents(t, dir))
			var files []string
			for _, file := range strings.Fields(runGit(t, bare, "ls-tree", "-r", "--name-only", got.SHA)) {
				files = append(files, file+"="+runGit(t, bare, "show", got.SHA+":"+file))
			}
			wantEqual(t, "files", c.want, strings.Join(files, " "))
			wantEqual(t, "branch", got.SHA, runGit(t, bare, "rev-parse", "refs/heads/main"))
			wantEqual(t, "tag", runGit(t, dir, "rev-parse", "v1"), runGit(t, bare, "rev-parse", "v1"))
			wantEqual(t, "is HEAD", c.clean, got.SHA == head)
			if !c.clean {
				wantEqual(t, "parent", head, runGit(t, bare, "rev-parse", got.SHA+"^"))
			}
		})
	}
}

func TestSnapshotOfOddRepositories(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) (dir, branch string){
		"no commit": func(t *testing.T) (string, string) {
			dir := t.TempDir()
			runGit(t, dir, "init", "--quiet", "--initial-branch=trunk")
			return dir, "trunk"
		},
		"subdirectory": func(t *testing.T) (string, string) {
			dir := newRepository(t, "sha1")
			write(t, dir, "sub/x", "x\n")
			return filepath.Join(dir, "sub"), "main"
		},
		"sha256": func(t *testing.T) (string, string) { return newRepository(t, "sha256"), "main" },
		"detached": func(t *testing.T) (string, string) {
			dir := newRepository(t, "sha1")
			runGit(t, dir, "checkout", "--quiet", "--detach", "v1")
			return dir, "detached"
		},
		"shallow": func(t *testing.T) (string, string) {
			dir := filepath.Join(t.TempDir(), "clone")
			runGit(t, t.TempDir(), "clone", "--quiet", "--depth=1", "file://"+newRepository(t, "sha1"), dir)
			return dir, "main"
		},
		"linked worktree": func(t *testing.T) (string, string) {
			dir := filepath.Join(t.TempDir(), "tree")
			runGit(t, newRepository(t, "sha1"), "worktree", "add", "--quiet", "-b", "side", dir)
			return dir, "side"
		},
		"split index": func(t *testing.T) (string, string) {
			dir := newRepository(t, "sha1")
			runGit(t, dir, "update-index", "--split-index")
			return dir, "main"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, branch := prepare(t)
			write(t, dir, "new", "new\n")
			bare := filepath.Join(t.TempDir(), "bare")
			got, err := Snapshot(t.Context(), dir, bare)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "branch", branch, got.Ref)
			c := start(t, Options{})
			got.Path = "group/app"
			job := c.lease(JobSpec{Repository: got})
			url := strings.Replace(c.url, "http://", "http://gitlab-ci-token:"+job.token+"@", 1) + "/group/app.git"
			work := filepath.Join(t.TempDir(), "work")
			runGit(t, dir, "clone", "--quiet", url, work)
			if files := runGit(t, work, "ls-files"); !strings.Contains(files, "new") {
				t.Errorf("a clone of the snapshot has %q, want the new file too", files)
			}
		})
	}
}

// TestSnapshotInsideHook sets what git sets for its hooks, which names another repository than the asked one.
func TestSnapshotInsideHook(t *testing.T) {
	dir, other := newRepository(t, "sha1"), newRepository(t, "sha1")
	write(t, dir, "mine", "x\n")
	bare := filepath.Join(t.TempDir(), "bare")
	t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other, ".git", "index"))
	got, err := Snapshot(t.Context(), dir, bare)
	if err != nil {
		t.Fatal(err)
	}
	files, err := git(t.Context(), bare, "ls-tree", "--name-only", got.SHA)
	if err != nil || files != "file\nmine" {
		t.Errorf("snapshot holds %q, %v", files, err)
	}
}

func TestSnapshotErrors(t *testing.T) {
	t.Parallel()
	bare := t.TempDir()
	runGit(t, bare, "init", "--quiet", "--bare")
	for name, dir := range map[string]string{"no repository": t.TempDir(), "bare repository": bare, "nothing": filepath.Join(bare, "none")} {
		_, err := Snapshot(t.Context(), dir, filepath.Join(t.TempDir(), "out"))
		if err == nil || !strings.Contains(err.Error(), "is no git working tree") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
