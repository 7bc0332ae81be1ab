package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/executor"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// running is the record of a job that has not ended.
func running() Entry {
	return Entry{JobID: 9, URL: "http://gitlab", Running: &Running{Format: Format, Job: &jobapi.Job{ID: 9}}}
}

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func put(t *testing.T, j *Journal, e Entry) {
	t.Helper()
	if err := j.Put(e); err != nil {
		t.Fatal(err)
	}
}

// only is the one record that is left.
func only(t *testing.T, j *Journal) Entry {
	t.Helper()
	left, err := j.Left()
	if err != nil || len(left) != 1 {
		t.Fatalf("records %v, error %v", left, err)
	}
	return left[0]
}

func at(next int) Change { return Change{State: &executor.State{Nonce: "n", Next: next}} }

// TestAppend cuts a record at each byte, as the death of a process or a power cut may: what is read is the state of a change
// that was written whole, and no half of one.
func TestAppend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, e := open(t, dir), running()
	put(t, j, e)
	path := j.path(e)
	ends := []int{size(t, path)} // of the record and of each change
	changes := []Change{{Compiled: &plan.Compiled{Services: true}}, at(1), {Masks: []string{"a"}}, {Masks: []string{"b"}}, at(2), {Standby: "id"}, {Ended: true}}
	wants := []Change{{}}
	for _, c := range changes {
		if err := j.Append(e, c); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, size(t, path))
		want := wants[len(wants)-1]
		want.Masks = append([]string(nil), want.Masks...)
		want.take(c)
		wants = append(wants, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := ends[0]; cut <= len(text); cut++ {
		n := 0
		for n+1 < len(ends) && ends[n+1] <= cut {
			n++
		}
		got, err := parse(text[:cut])
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if diff := cmp.Diff(wants[n], got.Change); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
		// The next process appends behind the half.
		if err := os.WriteFile(path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir).Append(e, at(7)); err != nil {
			t.Fatal(err)
		}
		if got := only(t, j); got.State.Next != 7 {
			t.Fatalf("cut at %d: the next change is lost: %+v", cut, got.State)
		}
	}
	// A power cut may leave zeros where data was to be.
	if got, err := parse(append(text[:ends[2]:ends[2]], make([]byte, 300)...)); err != nil || got.State.Next != 1 {
		t.Errorf("zeros: %+v, error %v", got.Change, err)
	}
}

func size(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

// TestAppendOnAFullDisk fills the disk: what was reserved is still there; then the record says that it is behind, until there
// is room again, and then has all.
func TestAppendOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	j, e := open(t, filepath.Join(dir, "journal")), running()
	put(t, j, e)
	ballast := fill(t, dir)
	if err := j.Put(Entry{JobID: 10, Running: e.Running}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("another job is kept although the disk is full: %v", err)
	}
	if err := j.Append(e, at(1)); err != nil {
		t.Errorf("no room was reserved: %v", err)
	}
	large := Change{Masks: []string{strings.Repeat("x", 1<<20)}}
	if err := j.Append(e, large); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error %v", err)
	}
	if got := only(t, j); !got.Behind || got.State.Next != 1 || got.Masks != nil {
		t.Errorf("behind %v, %+v", got.Behind, got.State)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(e, at(3)); err != nil {
		t.Fatal(err)
	}
	got := only(t, j)
	large.take(at(3))
	if diff := cmp.Diff(large, got.Change); diff != "" || got.Behind {
		t.Errorf("behind %v, (-want +got):\n%s", got.Behind, diff)
	}

	// There is room for an ending where there is none for another file.
	fill(t, dir)
	if err := j.Append(e, large); err == nil {
		t.Error("no error")
	}
	e.Running, e.Final = nil, &Final{State: jobapi.StateSuccess}
	put(t, j, e)
	if got := only(t, j); got.Behind || got.Final == nil {
		t.Errorf("%+v", got)
	}
}

// TestAppendToNoRecord: a job may end while a change to it is on its way.
func TestAppendToNoRecord(t *testing.T) {
	t.Parallel()
	j, e := open(t, t.TempDir()), running()
	if err := j.Append(e, at(1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	put(t, j, e)
	if got := only(t, j); got.State != nil || got.Behind {
		t.Errorf("a change of an earlier job: %+v", got)
	}
}

// smallDisk is a file system of its own with few megabytes; without the right to mount one the test is skipped.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		if os.Getenv("LCED_REQUIRE_DOCKER") != "" {
			t.Fatalf("make a small disk: %v", err)
		}
		t.Skipf("a small disk needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves not a byte on a disk.
func fill(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, step := range []int{64 << 10, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(bytes.Repeat([]byte("b"), step))
		}
	}
	return ballast
}
