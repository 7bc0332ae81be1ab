package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	// Of a process that was killed.
	if err := os.WriteFile(path+Beside, []byte("half of a longer text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a longer one", "one"} {
		if err := Replace(path, []byte(text), 4096); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != text || err != nil {
			t.Errorf("%q, error %v", got, err)
		}
	}
	if _, err := os.Stat(path + Beside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file beside is left: %v", err)
	}
}

// TestReplaceFails: what is there stays, and nothing else is left.
func TestReplaceFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "directory") // which a file cannot replace
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("text"), 0); err == nil {
		t.Error("no error")
	}
	if files, err := os.ReadDir(dir); len(files) != 1 || err != nil {
		t.Errorf("left are %v, error %v", files, err)
	}
}
