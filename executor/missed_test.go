package executor

import (
	"bytes"
	"fmt"
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
