package journal

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"lced-runner/executor"
	"lced-runner/jobapi"
)

// TestFullDisk fills the disk under the record of a running job: what changes and how it ends can still be written down.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("LCED_REQUIRE_DOCKER") != "" {
			t.Fatalf("make a small disk: %v", err)
		}
		t.Skipf("a small disk needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	j, err := Open(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	record := Entry{JobID: 7, URL: "http://gitlab", Running: &Running{Format: Format, Job: &jobapi.Job{ID: 7}}}
	if err := j.Put(record); err != nil {
		t.Fatal(err)
	}
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4<<10); err == nil; {
		_, err = ballast.Write(chunk)
	}
	ballast.Close()
	left := func() Entry {
		t.Helper()
		entries, err := j.Left()
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d records, %v", len(entries), err)
		}
		return entries[0]
	}
	if err := j.Put(Entry{JobID: 8, Running: record.Running}); err == nil {
		t.Error("another job is kept although the disk is full")
	}
	for next := range 40 {
		if err := j.Append(record, Change{State: &executor.State{Nonce: "a", Build: "b", Next: next}}); err != nil {
			t.Fatal(err)
		}
	}
	if e := left(); e.Running == nil || e.State.Next != 39 {
		t.Errorf("the record is %+v", e)
	}
	record.Running, record.Final = nil, &Final{State: jobapi.StateFailed, ExitCode: 3}
	if err := j.Put(record); err != nil {
		t.Fatal(err)
	}
	if e := left(); e.Running != nil || e.Final == nil || *e.Final != *record.Final {
		t.Errorf("the record is %+v", e)
	}
}
