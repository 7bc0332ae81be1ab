package helper

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestProvenance reads the statement that an archive holds about its files.
func TestProvenance(t *testing.T) {
	t.Parallel()
	server := &artifactServer{}
	gitlab := httptest.NewServer(server)
	defer gitlab.Close()
	req := newUpload(t, gitlab.URL, Artifact{Name: "fw", Paths: []string{"out", "fw-metadata.json"}, Type: "archive", Format: "zip"})
	started := time.Date(2026, 3, 1, 9, 15, 27, 0, time.UTC)
	req.Upload.Provenance = &Provenance{
		Builder: "https://gitlab.example.com/lced/board/-/runners/88", Version: "1.2.3", Source: "https://gitlab.example.com/lced/board", Commit: "0123",
		EntryPoint: "image:arm64", Runner: "board", Architecture: "arm64", Parameters: []string{"CI", "SECRET"}, Started: started,
	}
	writeFile(t, filepath.Join(req.ProjectDir, "out", "board.bin"), "firmware")
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, "untouched")
	// What stands in its place is neither followed nor a subject.
	if err := os.Symlink(secret, filepath.Join(req.ProjectDir, "fw-metadata.json")); err != nil {
		t.Fatal(err)
	}
	mustRun(t, req)
	wantFile(t, secret, "untouched")
	z, err := zip.NewReader(bytes.NewReader([]byte(server.uploads[0])), int64(len(server.uploads[0])))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("fw-metadata.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Type      string `json:"_type"`
		Predicate struct {
			Build struct {
				External map[string]string `json:"externalParameters"`
				Internal map[string]string `json:"internalParameters"`
				Resolved []subject         `json:"resolvedDependencies"`
			} `json:"buildDefinition"`
			Run struct {
				Builder  struct{ ID string }
				Metadata struct{ StartedOn, FinishedOn time.Time }
			} `json:"runDetails"`
		} `json:"predicate"`
		Subject []subject `json:"subject"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("firmware")))
	if diff := cmp.Diff([]subject{{"out/board.bin", map[string]string{"sha256": sum}}}, got.Subject); diff != "" {
		t.Error(diff)
	}
	b := got.Predicate.Build
	if diff := cmp.Diff(map[string]string{"CI": "", "SECRET": "", "entryPoint": "image:arm64", "source": "https://gitlab.example.com/lced/board"}, b.External); diff != "" {
		t.Error(diff)
	}
	if b.Internal["job"] != "7" || b.Internal["architecture"] != "arm64" || len(b.Resolved) != 1 || b.Resolved[0].Digest["sha256"] != "0123" {
		t.Errorf("the build is %+v", b)
	}
	if r := got.Predicate.Run; r.Builder.ID != req.Upload.Provenance.Builder || !r.Metadata.StartedOn.Equal(started) || r.Metadata.FinishedOn.Before(started) {
		t.Errorf("the run is %+v", r)
	}
}
