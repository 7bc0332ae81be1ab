package trace

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk lets a disk become full in the middle of a section: the log ends with the section closed and the reason,
// within the room that was kept for that.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, markers := range []bool{true, false} {
		tr := openTrace(t, Options{Sections: markers})
		s := tr.Section("step_script", "title")
		s.Write([]byte("half a line"))
		if left := tr.spool.room - tr.spool.end; left < lastWords {
			t.Errorf("%d bytes are left for the last words, want %d", left, lastWords)
		}
		tr.spool.err = syscall.ENOSPC
		s.Write([]byte(", and the rest of it\n"))
		s.Close()
		tr.Info("Job succeeded")
		sum, err := tr.Close()
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Close: %v", err)
		}
		if again, err := tr.Close(); again != sum || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Close again: %+v, %v, want %+v", again, err, sum)
		}
		log := spooled(t, tr)
		head, end, _ := strings.Cut(log, "half a line")
		if strings.Contains(log, "the rest of it\n") || !strings.Contains(end, "ERROR: the rest of this log is lost: no space left on device") {
			t.Errorf("the log is %q", log)
		}
		if markers != strings.HasPrefix(end, "section_end:") || markers != strings.Contains(head, "section_start:") || !markers != strings.HasPrefix(end, "\n") {
			t.Errorf("markers %v: the log is %q", markers, log)
		}
		if int64(len(log)) != sum.Size {
			t.Errorf("the log has %d bytes, the sum says %d", len(log), sum.Size)
		}
	}
}
