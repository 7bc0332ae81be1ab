package executor

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMissed gives an engine's log once more to a reader of its output, twice: the engine ended before it had written down the
// third line, which the reader has, and later the connection broke once more.
func TestMissed(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	line := func(n int) string { return fmt.Sprintf("line %d\n", n) }
	type write struct{ second, line int }
	log := []write{{1, 0}, {2, 1}, {11, 3}, {12, 4}, {13, 5}}
	var got bytes.Buffer
	var read, gone int64
	in := &counted{to: &got, n: &read}
	for n := range 3 {
		fmt.Fprint(in, line(n))
	}
	rejoin := func(log []write, lost time.Time) {
		t.Helper()
		m := &missed{counted: in, skip: read - gone, gone: &gone, lost: lost}
		for _, w := range log {
			stamp := begun.Add(time.Duration(w.second) * time.Second).Format(time.RFC3339Nano)
			if _, err := fmt.Fprintf(m, "%s %s", stamp, line(w.line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	rejoin(log[:4], begun.Add(5*time.Second))
	rejoin(log, begun.Add(20*time.Second))
	want := ""
	for n := range 6 {
		want += line(n)
	}
	if got.String() != want {
		t.Errorf("the output is %q, want %q", got.String(), want)
	}
}

// TestMissedLines: what was read is left out to the byte, whatever the lines hold.
func TestMissedLines(t *testing.T) {
	t.Parallel()
	const early, late = "2026-01-02T03:04:05.000000006Z ", "2026-01-02T03:05:00.000000000Z "
	lost, err := time.Parse(time.RFC3339Nano, "2026-01-02T03:04:30Z")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		skip  int64
		lost  time.Time
		lines []string
		want  string
	}{
		"all of it":                                {lines: []string{early + "one\n", early + "two\n"}, want: "one\ntwo\n"},
		"what was read":                            {skip: 4, lines: []string{early + "one\n", early + "two\n"}, want: "two\n"},
		"within a line":                            {skip: 6, lines: []string{early + "one\n", early + "two\n"}, want: "o\n"},
		"more than there is":                       {skip: 99, lines: []string{early + "one\n"}, want: ""},
		"spaces and lines that look like stamps":   {skip: 2, lines: []string{early + "a  b " + early + "\n"}, want: " b " + early + "\n"},
		"an empty line and no line end":            {lines: []string{early + "\n", early + "end"}, want: "\nend"},
		"not text":                                 {skip: 1, lines: []string{early + "\xff\x00\xfe\n"}, want: "\x00\xfe\n"},
		"the engine lost what it had read":         {skip: 8, lost: lost, lines: []string{early + "one\n", late + "two\n"}, want: "two\n"},
		"the engine lost nothing":                  {skip: 4, lost: lost, lines: []string{early + "one\n", late + "two\n"}, want: "two\n"},
		"read in part before the engine went away": {skip: 5, lost: lost, lines: []string{early + "one\n", early + "two\n", late + "three\n"}, want: "wo\nthree\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			n := tt.skip
			m := &missed{counted: &counted{to: &out, n: &n}, skip: tt.skip, gone: new(int64), lost: tt.lost}
			for _, line := range tt.lines {
				if got, err := m.Write([]byte(line)); got != len(line) || err != nil {
					t.Errorf("%d bytes, error %v", got, err)
				}
			}
			if out.String() != tt.want {
				t.Errorf("%q, want %q", out.String(), tt.want)
			}
			if n != tt.skip+int64(len(tt.want)) {
				t.Errorf("%d bytes count as read, want %d", n, tt.skip+int64(len(tt.want)))
			}
		})
	}
	if _, err := (&missed{counted: &counted{to: &strings.Builder{}, n: new(int64)}}).Write([]byte("nothing")); err == nil {
		t.Error("a line without a time is taken")
	}
}
