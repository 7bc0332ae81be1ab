package trace

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write is one write of a job to one of its streams.
type write struct {
	fd   int
	text string
}

// writesOf splits a text that holds what masks, commands and headers have to remember into random writes to two streams.
func writesOf(dice *rand.Rand) []write {
	words := []string{
		"plain words ", "a line\n", "secret", "secrets and sec", "ret", "overlap-overlap-", "10%\r", "20%\r", "\r\n", "ü", "\xff", "\n\n",
		"::add-mask::late-value\n", "a late-value here\n", "glpat-abcdefghijklmnopqrst ", "?private_token=abc&x=y ", strings.Repeat("x", 5000),
		"section_start:1:users_own\r\x1b[0Kinside\n", "\x1b[0m",
	}
	var out []write
	for range 60 {
		text := words[dice.IntN(len(words))] + words[dice.IntN(len(words))]
		n := dice.IntN(len(text) + 1)
		fd := 1 + dice.IntN(4)/3
		out = append(out, write{fd, text[:n]}, write{fd, text[n:]})
	}
	return out
}

// TestContinueAtAnyByte cuts the spool of a log at random bytes, as a power cut does, goes on with it by sending the section's
// streams once more from their beginning, split otherwise, and wants the log that there would have been without the cut.
func TestContinueAtAnyByte(t *testing.T) {
	t.Parallel()
	const seed = 7
	dice := rand.New(rand.NewPCG(seed, 0))
	for round := range 60 {
		opts := Options{
			Path: filepath.Join(t.TempDir(), "spool"), Sections: true, Timestamps: round%2 == 1,
			Masks: []string{"secret", "secrets and secret", "overlap-overlap"},
		}
		writes := writesOf(dice)
		begin := func(tr *Trace) *Section {
			tr.Plain("Running with")
			tr.Section("get_sources", "before").Close()
			return tr.Section("step_script", "the script")
		}
		feed := func(s *Section) {
			streams := []*stream{nil, s.Stream(1).(*stream), s.Stream(2).(*stream)}
			for _, w := range writes {
				_, _ = streams[w.fd].Write([]byte(w.text))
			}
		}
		whole, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		s := begin(whole)
		before := whole.spool.end
		feed(s)
		after := whole.spool.end // nothing is flushed: the process dies here
		file, err := os.ReadFile(opts.Path)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		want := closeTrace(t, whole)

		if err := os.WriteFile(opts.Path, file[:before+dice.Int64N(after-before+1)], 0o600); err != nil {
			t.Fatal(err)
		}
		cut, err := Resume(opts)
		if err != nil {
			t.Fatal(err)
		}
		section := cut.Continue("step_script")
		if section == nil {
			t.Fatal("the section is not open")
		}
		feed(section)
		section.Close()
		if diff := cmp.Diff(untimed(want), untimed(closeTrace(t, cut))); diff != "" {
			t.Fatalf("round %d, timestamps %v:\n%s", round, opts.Timestamps, diff)
		}
		_, _ = whole.Remove(), cut.Remove()
	}
}

// untimed leaves out the times, which are those of the second run.
func untimed(log string) string {
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z |(section_(start|end):)\d+`).ReplaceAllString(log, "$1")
}

// TestContinueOnlyWhatWasOpen: a log goes on in a section of another name, or none, by closing what was open.
func TestContinueOnlyWhatWasOpen(t *testing.T) {
	t.Parallel()
	opts := Options{Path: filepath.Join(t.TempDir(), "spool"), Sections: true}
	first, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(first.Section("step_script", "script").Stream(1), "cut")
	first.Leave()
	if _, err := first.Close(); err != nil { // reaches the spool no more
		t.Fatal(err)
	}
	second, err := Resume(opts)
	if err != nil {
		t.Fatal(err)
	}
	if second.Continue("after_script") != nil {
		t.Error("a section goes on that never was")
	}
	second.Section("after_script", "after").Close()
	if second.Continue("step_script") != nil {
		t.Error("a section goes on that is closed")
	}
	second.Leave()
	third, err := Resume(opts)
	if err != nil {
		t.Fatal(err)
	}
	want := "section_start::step_script\r\x1b[0K" + titleLine("script") + "cutsection_end::step_script\r\x1b[0K" +
		"section_start::after_script\r\x1b[0K" + titleLine("after") + "section_end::after_script\r\x1b[0K"
	if diff := cmp.Diff(want, untimed(closeTrace(t, third))); diff != "" {
		t.Error(diff)
	}
}

// TestContinueService leaves out what an earlier process has shown of a service's log.
func TestContinueService(t *testing.T) {
	t.Parallel()
	opts := Options{Path: filepath.Join(t.TempDir(), "spool"), ServicesGoOn: true}
	first, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	first.Section("step_script", "script")
	fmt.Fprint(first.Service(3, []string{"db"}, 2), "one\ntwo\nthr")
	first.Leave()
	second, err := Resume(opts)
	if err != nil {
		t.Fatal(err)
	}
	second.Continue("step_script")
	fmt.Fprint(second.Service(3, []string{"db"}, 2), "one\ntwo\nthree\n")
	log := closeTrace(t, second)
	for _, line := range []string{"one", "two", "three"} {
		if n := strings.Count(log, "[service:db] "+line+"\x1b"); n != 1 {
			t.Errorf("%q is shown %d times:\n%s", line, n, log)
		}
	}
}

// TestResumeGarbage: what a power cut leaves behind the last whole record may be anything.
func TestResumeGarbage(t *testing.T) {
	t.Parallel()
	opts := Options{Path: filepath.Join(t.TempDir(), "spool")}
	first, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	first.Plain("kept")
	first.Leave()
	whole, err := os.ReadFile(opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, garbage := range [][]byte{make([]byte, 4096), bytes.Repeat([]byte{0xff}, 100), whole[:len(whole)-1], append(bytes.Clone(whole[:20]), 'X', 'Y', 'Z')} {
		if err := os.WriteFile(opts.Path, append(bytes.Clone(whole), garbage...), 0o600); err != nil {
			t.Fatal(err)
		}
		second, err := Resume(opts)
		if err != nil {
			t.Fatal(err)
		}
		second.Plain("goes on")
		if diff := cmp.Diff(plainLine("kept")+plainLine("goes on"), closeTrace(t, second)); diff != "" {
			t.Errorf("after %d bytes of garbage:\n%s", len(garbage), diff)
		}
	}
}
