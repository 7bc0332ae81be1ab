package trace

import (
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestResume(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spool")
	first, err := Open(Options{Path: path, Sections: true})
	if err != nil {
		t.Fatal(err)
	}
	done := first.Section("prepare_script", "done")
	done.Close()
	open := first.Section("step_script", "running")
	_, _ = open.Write([]byte("section_start:1:users_own[collapsed=true]\r\x1b[0Kinside\n" + strings.Repeat("x", 200_000) + "cut here"))
	// The process dies here: nothing is closed.

	second, err := Resume(Options{Path: path, Sections: true})
	if err != nil {
		t.Fatal(err)
	}
	second.Error("Job failed (system failure): %s", "the runner was restarted")
	sum, err := second.Close()
	if err != nil {
		t.Fatal(err)
	}
	whole := []byte(spoolText(t, second.spool))
	want := regexp.MustCompile(`cut heresection_end:\d+:users_own\r\x1b\[0Ksection_end:\d+:step_script\r\x1b\[0K\x1b\[0K\x1b\[31;1mERROR: Job failed \(system failure\): the runner was restarted\x1b\[0;m\n$`)
	if !want.Match(whole[len(whole)-300:]) {
		t.Errorf("the log ends with %q", whole[len(whole)-300:])
	}
	if sum.Size != int64(len(whole)) || sum.CRC32 != crc32.ChecksumIEEE(whole) {
		t.Errorf("sum %+v of %d bytes with CRC %08x", sum, len(whole), crc32.ChecksumIEEE(whole))
	}
}

func TestResumeFullLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spool")
	first, err := Open(Options{Path: path, Sections: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = first.Section("step_script", "loud").Write([]byte(strings.Repeat("y", 200)))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Resume(Options{Path: path, Sections: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	second.Error("never shown")
	if _, err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("a log that is full grew from %d to %d bytes", len(before), len(after))
	}
}

func TestResumeNothing(t *testing.T) {
	t.Parallel()
	if _, err := Resume(Options{Path: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestClockBeforeSection resumes a log whose section began in the future, as after a jump of the clock: it ends when it began,
// not before.
func TestClockBeforeSection(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "trace.log")
	tr, err := Open(Options{Path: path, Sections: true})
	if err != nil {
		t.Fatal(err)
	}
	tr.Section("step_script", "title")
	tr.mu.Lock()
	tr.queue.marker(tr.queue.segments[0], startMarker("of_the_future", time.Unix(99999999999, 0)))
	tr.mu.Unlock()
	tr.Leave()
	tr, err = Resume(Options{Path: path, Sections: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Remove()
	if log := closeTrace(t, tr); !strings.Contains(log, "section_end:99999999999:of_the_future\r") {
		t.Errorf("the log is %q", log)
	}
}

// TestReached resumes logs of which the server has a part, or nothing.
func TestReached(t *testing.T) {
	t.Parallel()
	for _, sent := range []int64{0, 5} {
		path := filepath.Join(t.TempDir(), "trace.log")
		tr, err := Open(Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		tr.Plain("a line")
		if sent > 0 {
			tr.spool.acknowledged(sent)
		}
		tr.Leave()
		if tr, err = Resume(Options{Path: path}); err != nil {
			t.Fatal(err)
		}
		if Reached(tr) != (sent > 0) {
			t.Errorf("with %d bytes at the server: %v", sent, Reached(tr))
		}
		if err := tr.Remove(); err != nil {
			t.Error(err)
		}
	}
}
