package helper

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// artifactServer keeps what is uploaded, and gives archive to whoever asks, but to the first few nothing usable.
type artifactServer struct {
	archive  []byte
	damaged  int // downloads that get something else
	mu       sync.Mutex
	names    []string
	uploads  []string
	requests int
}

func (s *artifactServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if r.Header.Get("Job-Token") != testToken {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.Method == http.MethodGet {
		if s.requests <= s.damaged {
			io.WriteString(w, "no archive")
			return
		}
		w.Write(s.archive)
		return
	}
	form, err := r.MultipartReader()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	part, err := form.NextPart()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	content, err := io.ReadAll(part)
	if err != nil {
		return
	}
	s.names, s.uploads = append(s.names, part.FileName()), append(s.uploads, string(content))
	w.WriteHeader(http.StatusCreated)
}

// newTransfer is a request for a stage in an empty project, which exists.
func newTransfer(t *testing.T, stage string) *Request {
	t.Helper()
	builds := t.TempDir()
	project := filepath.Join(builds, "project")
	if err := os.Mkdir(project, 0o777); err != nil {
		t.Fatal(err)
	}
	return &Request{Stage: stage, BuildsDir: builds, ProjectDir: project, TempDir: project + ".tmp"}
}

func newUpload(t *testing.T, url string, artifacts ...Artifact) *Request {
	t.Helper()
	req := newTransfer(t, StageUploadOnSuccess)
	req.Upload = &Upload{GitLab: GitLab{URL: url}, JobID: 7, Token: testToken, Artifacts: artifacts}
	return req
}

func raw(name string, paths ...string) Artifact {
	return Artifact{Name: name, Paths: paths, Type: "archive", Format: "raw"}
}

func TestArtifactNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "artifacts", "plain": "plain", "$A": "a-value", "x/${A}.b": "a-value.b", "$NOBODY": "default", "a/": "a", "/": "default", "..": "default",
		"$LEFT-$A": "by a script=too-a-value", "5$$": "5$",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &artifactServer{}
			gitlab := httptest.NewServer(server)
			defer gitlab.Close()
			req := newUpload(t, gitlab.URL, raw(name, "f-$A"))
			req.Env = []string{"A=a-value", "LEFT=is overridden"}
			writeFile(t, filepath.Join(req.TempDir, jobEnvFile), "LEFT=first\nno variable\nLEFT=by a script=too")
			writeFile(t, filepath.Join(req.ProjectDir, "f-a-value"), "content")
			mustRun(t, req)
			if len(server.names) != 1 || server.names[0] != want || server.uploads[0] != "content" {
				t.Errorf("uploaded %q as %q, want %q", server.uploads, server.names, want)
			}
		})
	}
}

// TestJobEnvironmentIsRead: only where it is a file.
func TestJobEnvironmentIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "secret"), "A=secret\n")
	if err := os.Symlink("secret", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "missing", "."} {
		if env := readJobEnv(filepath.Join(dir, name)); len(env) > 0 {
			t.Errorf("%s: %v", name, env)
		}
	}
}

// TestArtifactsOverTLS connects to a GitLab whose authority is known to the runner only.
func TestArtifactsOverTLS(t *testing.T) {
	t.Parallel()
	server := &artifactServer{}
	gitlab := httptest.NewTLSServer(server)
	defer gitlab.Close()
	req := newUpload(t, gitlab.URL, raw("f", "f"))
	writeFile(t, filepath.Join(req.ProjectDir, "f"), "content")
	req.Upload.GitLab.CACertPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gitlab.Certificate().Raw})
	mustRun(t, req)
	if len(server.uploads) != 1 {
		t.Errorf("uploaded %q", server.uploads)
	}
}

// TestProjectDirectoryIsNoWayOut lets the job make a link of it.
func TestProjectDirectoryIsNoWayOut(t *testing.T) {
	t.Parallel()
	server := &artifactServer{}
	gitlab := httptest.NewServer(server)
	defer gitlab.Close()
	req := newUpload(t, gitlab.URL, raw("f", "f"))
	elsewhere := t.TempDir()
	writeFile(t, filepath.Join(elsewhere, "f"), "secret")
	if err := os.Remove(req.ProjectDir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, req.ProjectDir); err != nil {
		t.Fatal(err)
	}
	result := mustRun(t, req)
	if len(server.uploads) > 0 || !strings.Contains(result.out, "No files to upload") {
		t.Errorf("uploaded %q\n%s", server.uploads, result.out)
	}
}

// TestDownloadAttempts repeats the whole stage after an archive that cannot be read.
func TestDownloadAttempts(t *testing.T) {
	t.Parallel()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	f, err := z.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "content")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		damaged, attempts int
		pauses            []time.Duration
		fails             bool
	}{
		"at once": {0, 1, nil, false}, "third": {2, 3, []time.Duration{5 * time.Second, 10 * time.Second}, false}, "never": {2, 2, []time.Duration{5 * time.Second}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &artifactServer{archive: archive.Bytes(), damaged: test.damaged}
			gitlab := httptest.NewServer(server)
			defer gitlab.Close()
			req := newTransfer(t, StageDownload)
			req.Download = &Download{
				GitLab: GitLab{URL: gitlab.URL}, Attempts: test.attempts, Jobs: []Dependency{{ID: 6, Name: "first", Token: testToken}},
			}
			var pauses []time.Duration
			s := stage{Request: req, commands: commands{out: io.Discard, errw: io.Discard}, pause: func(_ context.Context, d time.Duration) error {
				pauses = append(pauses, d)
				return nil
			}}
			if err := s.perform(t.Context()); (err != nil) != test.fails || !slices.Equal(pauses, test.pauses) {
				t.Errorf("error %v after pauses of %v, want %v", err, pauses, test.pauses)
			}
			if !test.fails {
				wantFile(t, filepath.Join(req.ProjectDir, "a"), "content")
			}
			if left, err := os.ReadDir(req.TempDir); err != nil || len(left) > 1 { // the stage's lock
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := &progress{log: &log, text: "Sent %s..."}
		for range 25 {
			p.Write(make([]byte, 100<<10))
			time.Sleep(time.Second)
		}
		if got, want := log.String(), "Sent 1.1 MiB...\nSent 2.1 MiB...\n"; got != want {
			t.Errorf("log %q, want %q", got, want)
		}
	})
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB", 2 << 50: "2048.0 TiB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
