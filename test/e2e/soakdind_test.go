package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// soakCount is a number of the environment, def where it is not set.
func soakCount(t *testing.T, name string, def int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSoakDind runs jobs with a sidecar one after the other, then four at a time; a few in `make test`, as many as
// LCED_SOAK_DIND and LCED_SOAK_DIND_AT_FOUR say in `make soak-dind`. Every third cannot have a warm one. None fails, nothing is left,
// and the runner's memory and open files stay as they are.
func TestSoakDind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, warmConfig, nil)
	inRow, atFour := soakCount(t, "LCED_SOAK_DIND", 3), soakCount(t, "LCED_SOAK_DIND_AT_FOUR", 4)
	warm := 0
	spec := func(n int) coordinator.JobSpec {
		s := dockerJob("docker:latest", nil, whichDaemon, "docker version")
		if n%3 == 2 {
			s = with(s, "GIT_STRATEGY=none")
		}
		return s
	}
	end := func(n int, id int64) {
		t.Helper()
		j, log := w.await(id)
		wantSuccess(t, j, log, "daemon=")
		if n%3 != 2 && strings.Contains(log, isWarm) {
			warm++
		}
	}
	first := max(1, inRow/10)
	var memory, files int
	for n := range inRow {
		if n == first {
			memory, files = w.footprint()
		}
		if n == 1 || n == inRow/2 {
			resident, open := w.footprint()
			t.Logf("after %d jobs: %d KiB resident, %d open files", n, resident, open)
		}
		end(n, w.submit(spec(n)))
	}
	memoryRow, filesRow := w.footprint()
	t.Logf("%d in a row, %d of them with a warm sidecar", inRow, warm)
	ids := make([]int64, atFour)
	for n := range ids {
		ids[n] = w.submit(spec(n))
	}
	for n, id := range ids {
		end(n, id)
	}
	memoryEnd, filesEnd := w.footprint()
	t.Logf("%d at four at once; %d of all with a warm sidecar", atFour, warm)
	t.Logf("resident KiB and open files: %d and %d after %d jobs, %d and %d after those in a row, %d and %d in the end",
		memory, files, first, memoryRow, filesRow, memoryEnd, filesEnd)
	if memoryEnd > memory+soakMemory || filesEnd > files+soakFiles {
		t.Errorf("the runner has grown: allowed are %d KiB and %d files more", soakMemory, soakFiles)
	}
}
