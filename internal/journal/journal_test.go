package journal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lced-runner/internal/durable"
	"lced-runner/jobapi"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	one := Entry{JobID: 7, Token: "secret", URL: "http://gitlab", Received: time.Unix(1000, 0).UTC(), Spool: "/x", Sections: true, OutputLimit: 5}
	two := Entry{JobID: 8, Final: &Final{State: jobapi.StateFailed, FailureReason: "script_failure", ExitCode: 3}}
	other := Entry{JobID: 7, URL: "http://another.gitlab"}
	for _, e := range []Entry{one, two, other} {
		if err := j.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	one.Final = &Final{State: jobapi.StateSuccess}
	if err := j.Put(one); err != nil {
		t.Fatal(err)
	}
	got, err := j.Left()
	if err != nil {
		t.Fatal(err)
	}
	order := cmpopts.SortSlices(func(a, b Entry) bool { return a.JobID < b.JobID || a.JobID == b.JobID && a.URL < b.URL })
	// Secrets print as [MASKED], so they are compared by hand.
	if !slices.ContainsFunc(got, func(e Entry) bool { return e.Token.Reveal() == "secret" }) {
		t.Error("the token did not survive")
	}
	if diff := cmp.Diff([]Entry{one, two, other}, got, order); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, Name(one.URL, 7)+".json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	for range 2 { // the second time there is nothing to remove
		if err := j.Remove(one); err != nil {
			t.Fatal(err)
		}
	}
	got, err = j.Left()
	if diff := cmp.Diff([]Entry{two, other}, got, order); diff != "" || err != nil {
		t.Errorf("after the removal (-want +got), error %v:\n%s", err, diff)
	}
}

func TestBrokenRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Put(Entry{JobID: 1}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"job-2.json": `{"job_id": 2, "tok`, "job-3.json": `{}`, "job-4.json.new": `{"job_id": 4`, "notes.txt": "mine"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := j.Left()
	if len(got) != 1 || got[0].JobID != 1 {
		t.Errorf("records %v", got)
	}
	if err == nil || !strings.Contains(err.Error(), "job-2.json") || !strings.Contains(err.Error(), "job-3.json") {
		t.Errorf("error %v", err)
	}
	if _, err := j.Left(); err != nil {
		t.Errorf("broken records are told twice: %v", err)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	j, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Room(1); err != nil {
		t.Error(err)
	}
	if err := j.Room(1 << 62); err == nil || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("error %v", err)
	}
}

// TestRoomOnADiskThatTakesNothing: where a job could not be kept no other one is taken until something can be written again, and none is
// where the kernel lets nobody write.
func TestRoomOnADiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	j, err := Open(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{JobID: 7, URL: "http://gitlab", Running: &Running{}}
	broken := []string{j.path(e) + durable.Beside, filepath.Join(j.dir, "trial"+durable.Beside)} // no file can be made there
	for _, path := range broken {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Room(1); err != nil {
		t.Error(err)
	}
	if err := j.Put(e); err == nil {
		t.Error("a record was written")
	}
	if err := j.Room(1); err == nil || !strings.Contains(err.Error(), "the last job could not be kept") {
		t.Errorf("error %v", err)
	}
	for _, path := range broken {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := j.Room(1); err != nil {
			t.Error(err)
		}
	}
	if files, err := os.ReadDir(j.dir); len(files) > 0 || err != nil {
		t.Errorf("left are %v, %v", files, err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := j.Room(1); err == nil || !strings.Contains(err.Error(), "can only be read") {
		t.Errorf("error %v", err)
	}
}

// TestRemains: what a killed process leaves beside the records counts as no job.
func TestRemains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"job-5-00000000.json.new", "job-6-00000000.json.broken"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"job_id": 5, "token": "secret`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if jobs, err := j.Jobs(); len(jobs) > 0 || err != nil {
		t.Errorf("jobs %v, error %v", jobs, err)
	}
	if got, err := j.Left(); len(got) > 0 || err != nil {
		t.Errorf("records %v, error %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "job-5-00000000.json.new")); err == nil {
		t.Error("what a killed process was writing, secrets and all, is still there")
	}
}
