package helper

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSize compares with du, which every system has.
func TestSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "deep", "file")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, filepath.Join(dir, "again")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	hole, err := os.Create(filepath.Join(dir, "hole"))
	if err != nil {
		t.Fatal(err)
	}
	if err := hole.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	hole.Close()

	du, err := exec.CommandContext(t.Context(), "du", "-s", "--block-size=1", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := strings.Cut(string(du), "\t")
	var got bytes.Buffer
	if err := Size(dir, &got); err != nil || strings.TrimSpace(got.String()) != want {
		t.Errorf("Size: %s (%v), du says %s", &got, err, want)
	}
	if err := Size(filepath.Join(dir, "nothing"), &got); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a directory that is not there: %v", fmt.Sprint(err))
	}
}
