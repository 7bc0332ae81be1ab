package trace

import (
	"strings"
	"testing"
)

// allocationsPerMegabyte bounds what a megabyte of a job's log may allocate, in the pieces in which it comes from the engine. All
// buffers are used again; what may grow now and then is the spool's index.
const allocationsPerMegabyte = 4

// TestAllocations is not parallel, as it counts what the process allocates.
func TestAllocations(t *testing.T) {
	for name, opts := range map[string]Options{
		"plain":      {Limit: 1 << 40},
		"masks":      {Limit: 1 << 40, Masks: []string{"hunter2hunter2", "correct horse battery staple"}},
		"timestamps": {Limit: 1 << 40, Timestamps: true},
	} {
		tr := openTrace(t, opts)
		out := tr.Section("step_script", "").Stream(1)
		piece := []byte(strings.Repeat("a line of a build's log, as long as they usually are, with a number or two 12345\n", 400)) // 32 KiB
		got := testing.AllocsPerRun(10, func() {
			for written := 0; written < 1<<20; written += len(piece) {
				if _, err := out.Write(piece); err != nil {
					t.Fatal(err)
				}
			}
		})
		if got > allocationsPerMegabyte {
			t.Errorf("%s: %.0f allocations for a megabyte of the log, want %d at most", name, got, allocationsPerMegabyte)
		}
	}
}
