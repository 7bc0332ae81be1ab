package e2e

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lced-runner/internal/coordinator"
	"lced-runner/internal/journal"
)

// rounds is how often a chaos test repeats: a few times in `make test`, as often as LCED_CHAOS says in `make chaos`.
func rounds(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("LCED_CHAOS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("LCED_CHAOS: %v", err)
	}
	return n
}

// TestKill kills the runner at random moments of a job that must fail, starts it again, and wants the job to end as if nothing
// had been, and nothing left on the engine.
func TestKill(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(chaosSeed(t), 0))
	w := newWorld(t, plainConfig, nil)
	counts := map[string]int{}
	for round := range rounds(t, 6) {
		spec := job("echo begin", "sleep 1", "echo end", "exit 7")
		if round%2 == 0 {
			spec.Variables = []coordinator.Variable{{Key: "GIT_STRATEGY", Value: "none", Public: true}}
		}
		id := w.submit(spec)
		w.awaitRecord(id) // before that, only GitLab knows of the job
		// The moment is what is random here; nothing is asserted about it.
		time.Sleep(time.Duration(dice.Int64N(int64(2500 * time.Millisecond))))
		w.signal(syscall.SIGKILL)
		w.waitExit()
		w.startRunner()
		j, log := w.await(id)
		e := ending{j, log}
		fails("script_failure", 7)(t, e)
		e.times(t, "\nbegin\n", 1)
		e.times(t, "\nend\n", 1)
		for _, phase := range []string{"the preparation begins again", "this stage begins again"} {
			counts[phase] += strings.Count(log, phase)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%v", counts)
	if j, log := w.run(job("echo still at work")); j.State != coordinator.StateSuccess {
		t.Errorf("after all kills a plain job ends as %s\n%s", j.State, log)
	}
	w.drain()
	for _, pattern := range []string{"journal/job-*", "job-*.log"} {
		left, err := filepath.Glob(filepath.Join(w.dir, ".lced-runner", pattern))
		if err != nil || len(left) > 0 {
			t.Errorf("left in the state directory: %v, %v", left, err)
		}
	}
}

// awaitRecord waits until the runner has a record of the job, from where on nothing may be lost.
func (w *world) awaitRecord(job int64) {
	w.t.Helper()
	path := filepath.Join(w.dir, ".lced-runner", "journal", journal.Name(w.url, job)+".json")
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(late) {
			w.t.Fatalf("the runner has no record of job %d\n%s", job, w.log)
		}
	}
}

// TestUndeliveredEnding lets GitLab be away when a job ends, and kills the runner meanwhile: the next one delivers the true
// ending with the whole log.
func TestUndeliveredEnding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointFinal, Times: 1000, Cut: true})
	id := w.submit(job("echo all of it"))
	w.awaitLog(id, "Job succeeded")
	record := filepath.Join(w.dir, ".lced-runner", "journal", journal.Name(w.url, id)+".json")
	for text := ""; !strings.Contains(text, `"state":"success"`); {
		data, err := os.ReadFile(record)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		text = string(data)
	}
	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.startRunner()
	w.awaitUp()
	// Not before: a call of the killed runner may still be on its way.
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointFinal, Times: -1})
	if j, log := w.await(id); j.State != coordinator.StateSuccess || !strings.HasSuffix(log, "Job succeeded\x1b[0;m\n") {
		t.Errorf("state %s\n%s", j.State, log)
	}
}
