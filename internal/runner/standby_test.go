package runner

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lced-runner/internal/config"
	"lced-runner/internal/helper"
	"lced-runner/internal/journal"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// leftLife is a job that this process has left, with this log.
func leftLife(t *testing.T, e *entry, id int64, log string) *life {
	t.Helper()
	o := trace.Options{Path: filepath.Join(t.TempDir(), "log"), Sections: true}
	tr, err := trace.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Remove() })
	tr.Section("step_script", "script").Plain("%s", log)
	tr.Leave()
	return &life{account: account{
		Runner: &Runner{connections: connections{Options: Options{Version: "1.2"}}}, entry: e, trace: tr, up: &uploader{},
		record: journal.Entry{JobID: id}, job: &jobapi.Job{ID: id, Token: "glcbt-secret", Features: jobapi.Features{TraceSections: true}},
	}}
}

// TestFarewells: what waits in place of this process can report each job by what it is given alone, with a log whose sections
// have ends.
func TestFarewells(t *testing.T) {
	t.Parallel()
	e := entryWith(0)
	e.config.URL, e.global = "https://gitlab.example.com", &config.Config{LCED: config.LCED{HandoverTimeout: 7 * time.Minute}}
	input, err := farewells(e, []leftJob{{life: leftLife(t, e, 1, "the first")}, {life: leftLife(t, e, 2, "the second")}})
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(bytes.NewReader(input))
	for i, log := range []string{"the first", "the second"} {
		var s helper.Standby
		if err := lines.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if s.JobID != int64(i+1) || s.Token.Reveal() != "glcbt-secret" || s.After != 7*time.Minute || s.GitLab.URL != e.config.URL || s.GitLab.UserAgent != "lced-runner 1.2" || s.Reason != jobapi.ReasonRunnerSystemFailure {
			t.Errorf("request %+v", s)
		}
		if s.Size != 0 || s.CRC32 != crc32.ChecksumIEEE(nil) {
			t.Errorf("GitLab has %d bytes, %08x, although nothing was sent", s.Size, s.CRC32)
		}
		at := -1
		for _, part := range []string{":step_script\r", log, "section_end:", "none has taken over for 7m0s"} {
			next := strings.Index(string(s.Log), part)
			if next <= at {
				t.Errorf("%q is missing, or in the wrong place:\n%q", part, s.Log)
			}
			at = next
		}
	}
}
