package e2e

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/journal"
)

// TestChaosScript kills the runner for LCED_CHAOS_TIME between the start of a build container and the end of its script's
// delivery: at a random moment behind that start, or while it delivers, when none, a part or all of the script has gone out. The
// job, which must fail, fails by its script, which has run once.
func TestChaosScript(t *testing.T) {
	t.Parallel()
	span := chaosSpan(t, "LCED_CHAOS_TIME")
	dice := rand.New(rand.NewPCG(chaosSeed(t), 99))
	w := prepareWorld(t, nil)
	w.configure(plainConfig)
	cut := filepath.Join(w.dir, "cut")
	w.program, w.env = chaosBinary(t), []string{"LCED_TEST_CUT=" + cut}
	w.startRunner()
	counts := map[string]int{}
	for begun := time.Now(); time.Since(begun) < span && !t.Failed(); {
		how := []string{"behind the container's start", "before the first byte", "in the script", "behind the last byte"}[dice.IntN(4)]
		spec := with(job("echo begin", "sleep 0.2", "exit 7"), "GIT_STRATEGY=none")
		var job int64
		if how == "behind the container's start" {
			w.awaitStart(func() { job = w.submit(spec) })
			time.Sleep(time.Duration(dice.Int64N(int64(150 * time.Millisecond))))
			w.signal(syscall.SIGKILL)
		} else {
			after := map[string]int{"in the script": 1 + dice.IntN(300), "behind the last byte": 1 << 20}[how]
			if err := os.WriteFile(cut, []byte(strconv.Itoa(after)), 0o600); err != nil {
				t.Fatal(err)
			}
			job = w.submit(spec)
		}
		w.waitExit()
		counts[how]++
		if log, err := os.ReadFile(filepath.Join(w.dir, ".lced-runner", journal.Name(w.url, job)+".log")); err == nil && !bytes.Contains(log, []byte("begin\n")) {
			counts["(before the script's first line)"]++
		}
		w.startRunner()
		j, log := w.await(job)
		e := ending{j, log}
		fails("script_failure", 7)(t, e)
		e.times(t, "\nbegin\n", 1)
	}
	for _, how := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("CHAOS injected kill -9 of the runner at the script's delivery, %-34s %d", how, counts[how])
	}
}

// awaitStart waits for the start of a build container behind what is done.
func (w *world) awaitStart(do func()) {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), patience, errors.New("no build container was started"))
	defer cancel()
	started := w.docker.Events(ctx, client.EventsListOptions{
		Filters: client.Filters{}.Add("event", "start").Add("label", "lced.runner="+id).Add("label", "com.gitlab.gitlab-runner.type=build"),
	})
	do()
	select {
	case <-started.Messages:
	case <-started.Err:
		w.t.Fatalf("%v\n%s", context.Cause(ctx), w.log)
	}
}
