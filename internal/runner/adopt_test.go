package runner

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/journal"
	"lced-runner/jobapi"
)

// adopted is a job of this record, on this machine's engine or on another's.
func adopted(boot string, record journal.Entry, host string) *account {
	e := entryWith(0)
	e.config.Docker.Host = host
	return &account{Runner: &Runner{connections: connections{Options: Options{BootID: boot, Env: func(string) string { return "" }}}}, entry: e, record: record}
}

// TestSpent: what a job has had of its timeout counts by the time since the machine's start, however the clock was set
// meanwhile, and is not known of another boot.
func TestSpent(t *testing.T) {
	t.Parallel()
	for name, received := range map[string]time.Time{"clock at 1970": time.Unix(9, 0), "clock ahead": time.Now().AddDate(50, 0, 0), "clock right": time.Now()} {
		record := journal.Entry{Received: received, Running: &journal.Running{Boot: "one", Begun: executor.Now() - executor.Moment(time.Minute)}}
		if spent := adopted("one", record, "").spent(); spent < time.Minute || spent > time.Hour {
			t.Errorf("%s: %v of the timeout are over, want a minute", name, spent)
		}
		if spent := adopted("two", record, "").spent(); spent != 0 {
			t.Errorf("%s: after another boot %v of the timeout are over", name, spent)
		}
		record.Running.Begun += executor.Moment(time.Hour) // of a boot that looks like this one
		if spent := adopted("one", record, "").spent(); spent != 0 {
			t.Errorf("%s: %v of the timeout of a job are over that is yet to begin", name, spent)
		}
	}
	if spent := adopted("one", journal.Entry{}, "").spent(); spent != 0 {
		t.Errorf("%v of the timeout of a new job are over", spent)
	}
}

// TestRebooted: only this machine's boot says anything about its engine.
func TestRebooted(t *testing.T) {
	t.Parallel()
	record := journal.Entry{Running: &journal.Running{Boot: "one"}}
	for _, tt := range []struct {
		boot, host string
		want       bool
	}{
		{"one", "", false}, {"two", "", true}, {"two", "unix:///run/docker.sock", true}, {"two", "tcp://board:2376", false},
	} {
		if got := adopted(tt.boot, record, tt.host).rebooted(); got != tt.want {
			t.Errorf("boot %s, engine %q: rebooted is %v", tt.boot, tt.host, got)
		}
	}
}

func TestAdoptable(t *testing.T) {
	t.Parallel()
	whole := func() journal.Entry {
		return journal.Entry{Running: &journal.Running{Format: journal.Format, Job: &jobapi.Job{}}}
	}
	if !adoptable(whole()) {
		t.Error("a whole record is not adopted")
	}
	for name, change := range map[string]func(*journal.Entry){
		"ended":               func(e *journal.Entry) { e.Final = &journal.Final{} },
		"another form":        func(e *journal.Entry) { e.Format++ },
		"no job":              func(e *journal.Entry) { e.Job = nil },
		"not running":         func(e *journal.Entry) { e.Running = nil },
		"was to end":          func(e *journal.Entry) { e.Ended = true },
		"changes are missing": func(e *journal.Entry) { e.Behind = true },
	} {
		record := whole()
		if change(&record); adoptable(record) {
			t.Errorf("%s: the record is adopted", name)
		}
	}
}

// TestRemoveLogs removes what a process left that was killed while it forgot a job.
func TestRemoveLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"job-1-00000000.log", "job-2-00000000.log", "notes.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeLogs(dir, []journal.Entry{{Spool: "/an/older/place/job-2-00000000.log"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"job-1-00000000.log": false, "job-2-00000000.log": true, "notes.log": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
