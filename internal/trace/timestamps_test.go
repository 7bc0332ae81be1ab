package trace

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimestamps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := openTrace(t, Options{Timestamps: true, Sections: true, Masks: []string{"secret"}})
		tr.Plain("Running with")
		s := tr.Section("step_script", "Executing")
		stdout, stderr := s.Stream(1), s.Stream(2)
		fmt.Fprint(stdout, "begun at zero, ")
		time.Sleep(1500 * time.Millisecond)
		fmt.Fprint(stderr, "complains\n")
		fmt.Fprint(stdout, "ended later with a sec")
		fmt.Fprint(stdout, "ret\n10%\r")
		fmt.Fprint(stdout, "20%\r\ndone\n")
		fmt.Fprint(tr.Service(1, []string{"db", "postgres"}, 2), "listening\n")
		fmt.Fprint(stdout, "no newline")
		s.Close()
		next := tr.Section("after_script", "Running after_script")
		next.Close()
		tr.Info("Job succeeded")

		const zero, later = "2000-01-01T00:00:00.000000Z ", "2000-01-01T00:00:01.500000Z "
		marker := func(kind, name string, at int) string {
			return fmt.Sprintf("section_%s:%d:%s\r\x1b[0K\n", kind, at, name)
		}
		want := zero + "00O " + plainLine("Running with") +
			zero + "00O " + marker("start", "step_script", epoch) +
			zero + "00O+" + titleLine("Executing") +
			later + "01E complains\n" +
			zero + "01O begun at zero, ended later with a [MASKED]\n" +
			later + "01O 10%\r\n" +
			later + "01O+20%\r\n" +
			later + "01O done\n" +
			later + "10E \x1b[0;37m[service:db->postgres] listening\x1b[0;m\n" +
			later + "01O no newline\n" +
			later + "00O " + marker("end", "step_script", epoch+1) +
			later + "00O+" + marker("start", "after_script", epoch+1) +
			later + "00O+" + titleLine("Running after_script") +
			later + "00O " + marker("end", "after_script", epoch+1) +
			later + "00O+" + infoLine("Job succeeded")
		if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTimestampsLoseNothing sends a line that is longer than a header allows and bytes of every kind, and joins what comes out as GitLab does.
func TestTimestampsLoseNothing(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("ü", 200000) + "\x00\xff\xfe\n\n\n" + strings.Repeat("x", longestLine) + "\n" + strings.Repeat("y", longestLine+1)
	header := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 01O([ +])`)
	for _, size := range []int{32 << 10, 8191, 100000} {
		stamp := newStamper(true, jobStream, 1)
		var out []byte
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			out = stamp.write(out, []byte(rest[:n]))
			rest = rest[n:]
		}
		out = stamp.flush(out)
		for _, line := range strings.SplitAfter(string(out), "\n") {
			if len(line) > 32+longestLine+1 {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
		joined := strings.ReplaceAll(header.ReplaceAllString(string(out), "\x01$1"), "\n\x01+", "")
		if got := strings.TrimSuffix(strings.ReplaceAll(joined, "\x01 ", ""), "\n"); got != text {
			t.Errorf("in writes of %d bytes: %d bytes come out, want %d", size, len(got), len(text))
		}
	}
}

// TestServiceLog shows whole lines of a service on lines of their own.
func TestServiceLog(t *testing.T) {
	t.Parallel()
	tr := openTrace(t, Options{Masks: []string{"secret"}})
	db := tr.Service(0, []string{"db"}, 1)
	fmt.Fprint(db, "star")
	fmt.Fprint(db, "ted\nhalf a sec")
	s := tr.Section("s", "S")
	waiting := tr.Section("w", "W")
	fmt.Fprint(s, "job")
	fmt.Fprint(db, "ret\r\n")
	fmt.Fprint(s, "more\n")
	s.Close()
	waiting.Close()
	fmt.Fprint(db, "the end")
	db.Close()
	grey := func(text string) string { return "\x1b[0;37m[service:db] " + text + "\x1b[0;m\n" }
	want := grey("started") + titleLine("S") + "job\n" + grey("half a [MASKED]") + "more\n" + titleLine("W") + grey("the end")
	if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

// TestResumeWithTimestamps goes on in the format of the log that it finds.
func TestResumeWithTimestamps(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "trace.log")
	for _, timestamps := range []bool{false, true} {
		before, err := Open(Options{Path: path, Sections: true, Timestamps: timestamps})
		if err != nil {
			t.Fatal(err)
		}
		before.Plain("Running with")
		before.Section("step_script", "S")
		after, err := Resume(Options{Path: path, Sections: true})
		if err != nil {
			t.Fatal(err)
		}
		after.Error("the runner was restarted")
		got := closeTrace(t, after)
		header := regexp.MustCompile(`(?m)^\S+Z 00O[ +]`)
		if n := len(header.FindAllString(got, -1)); timestamps && n != strings.Count(got, "\n") || !timestamps && n != 0 {
			t.Errorf("timestamps %v: %d headers in\n%q", timestamps, n, got)
		}
		if err := after.Remove(); err != nil {
			t.Fatal(err)
		}
	}
}
