package e2e

import (
	"archive/zip"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"lced-runner/internal/helper"
)

// bigSize is that of the file in TestConformance_01_ArtifactsInLittleMemory, bytes. More would change nothing but the time.
const bigSize = 300 << 20

// maxHelperMemory is what a stage may have resident at its peak, bytes: the board has other things to do.
const maxHelperMemory = 64 << 20

// TestConformance_01_ArtifactsInLittleMemory runs the helper's stages on this machine with an artifact that is much larger than what they may take of its memory.
func TestConformance_01_ArtifactsInLittleMemory(t *testing.T) {
	builds := t.TempDir()
	project := filepath.Join(builds, "project")
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	big, err := os.Create(filepath.Join(project, "big"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(big, rand.Reader, bigSize); err != nil {
		t.Fatal(err)
	}
	if err := big.Close(); err != nil {
		t.Fatal(err)
	}
	s := &stageWatch{t: t, archive: filepath.Join(t.TempDir(), "archive.zip")}
	server := httptest.NewServer(s)
	defer server.Close()
	base := helper.Request{BuildsDir: builds, ProjectDir: project, TempDir: project + ".tmp"}

	up := base
	up.Stage, up.Upload = helper.StageUploadOnSuccess, &helper.Upload{
		GitLab: helper.GitLab{URL: server.URL}, JobID: 7, Token: "glcbt-0123456789",
		Artifacts: []helper.Artifact{{Paths: []string{"big"}, Type: "archive", Format: "zip"}},
	}
	s.run(up)
	if info, err := os.Stat(s.archive); err != nil || info.Size() < bigSize {
		t.Fatalf("uploaded %v, %v", info, err)
	}

	// The second dependency does not exist: when it is asked for, the first has been extracted.
	down := base
	down.Stage, down.Download = helper.StageDownload, &helper.Download{GitLab: helper.GitLab{URL: server.URL}, Attempts: 1, Jobs: []helper.Dependency{
		{ID: 7, Name: "big", Token: "glcbt-0123456789", Size: bigSize}, {ID: 8, Name: "gone", Token: "glcbt-0123456789"},
	}}
	if err := os.Remove(big.Name()); err != nil {
		t.Fatal(err)
	}
	s.run(down)
	if info, err := os.Stat(big.Name()); err != nil || info.Size() != bigSize {
		t.Errorf("extracted %v, %v", info, err)
	}
}

// stageWatch is a server that looks at the stage which talks to it.
type stageWatch struct {
	t       *testing.T
	archive string

	mu   sync.Mutex
	pid  int   // of the stage
	peak int64 // bytes, 0 if nobody looked
}

// run runs one stage and checks its memory. Its exit code says nothing here.
func (s *stageWatch) run(r helper.Request) {
	s.t.Helper()
	line, err := json.Marshal(r)
	if err != nil {
		s.t.Fatal(err)
	}
	var out syncBuffer
	stage := exec.CommandContext(s.t.Context(), binary(s.t), "helper", "stage")
	stage.Stdout, stage.Stderr = &out, &out
	in, err := stage.StdinPipe() // stays open: its end would end the stage
	if err != nil {
		s.t.Fatal(err)
	}
	if err := stage.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.pid, s.peak = stage.Process.Pid, 0
	s.mu.Unlock()
	if _, err := in.Write(append(line, '\n')); err != nil {
		s.t.Fatal(err)
	}
	err = stage.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.peak == 0:
		s.t.Errorf("%s did not come to its end: %v\n%s", r.Stage, err, &out)
	case s.peak > maxHelperMemory:
		s.t.Errorf("%s takes %d MiB of memory, want at most %d", r.Stage, s.peak>>20, maxHelperMemory>>20)
	}
	s.t.Logf("%s: %d MiB resident at its peak", r.Stage, s.peak>>20)
}

func (s *stageWatch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		s.take(r)
		s.look()
		w.WriteHeader(http.StatusCreated)
	case strings.Contains(r.URL.Path, "/jobs/7/"):
		http.ServeFile(w, r, s.archive)
	default:
		s.look()
		http.NotFound(w, r)
	}
}

// take keeps an uploaded archive.
func (s *stageWatch) take(r *http.Request) {
	form, err := r.MultipartReader()
	if err != nil {
		s.t.Error(err)
		return
	}
	part, err := form.NextPart()
	if err != nil {
		s.t.Error(err)
		return
	}
	file, err := os.Create(s.archive)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer file.Close()
	if _, err := io.Copy(file, part); err != nil {
		s.t.Error(err)
	}
	if z, err := zip.OpenReader(s.archive); err != nil {
		s.t.Error(err)
	} else {
		z.Close()
	}
}

// look reads the most memory that the stage, which waits for an answer now, has had resident.
func (s *stageWatch) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		s.t.Error(err)
		return
	}
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
	if err != nil {
		s.t.Error(err)
	}
	s.peak = kib << 10
}
