package trace

import (
	"path/filepath"
	"testing"
)

func TestTail(t *testing.T) {
	t.Parallel()
	log, err := Open(Options{Path: filepath.Join(t.TempDir(), "log"), Masks: []string{"hunter22"}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Remove()
	if got := log.Tail(100); len(got) > 0 {
		t.Errorf("the end of nothing is %q", got)
	}
	section := log.Section("step_script", "title")
	section.Stream(1).Write([]byte("first line\nthe password is hunter22\n"))
	section.Close()
	const last = "the password is [MASKED]\n"
	if got := string(log.Tail(int64(len(last)))); got != last {
		t.Errorf("the end is %q, want %q", got, last)
	}
	if got := log.Tail(1 << 20); int64(len(got)) != log.spool.sum.Size {
		t.Errorf("%d bytes, want all %d", len(got), log.spool.sum.Size)
	}
}
