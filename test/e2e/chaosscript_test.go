package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/journal"
)

// TestChaosScript kills the runner for LCED_CHAOS_TIME between the start of a build container and the end of its script's
// delivery. The job, which must fail, fails by its script, which has run once.
func TestChaosScript(t *testing.T) {
	t.Parallel()
	span := chaosSpan(t, "LCED_CHAOS_TIME")
	dice := rand.New(rand.NewPCG(chaosSeed(t), 99))
	w := newWorld(t, plainConfig, nil)
	id, _ := config.SystemID(w.dir)
	started := w.docker.Events(t.Context(), client.EventsListOptions{
		Filters: client.Filters{}.Add("event", "start").Add("label", "lced.runner="+id).Add("label", "com.gitlab.gitlab-runner.type=build"),
	})
	kills, before := 0, 0
	for begun := time.Now(); time.Since(begun) < span && !t.Failed(); kills++ {
		job := w.submit(with(job("echo begin", "sleep 0.2", "exit 7"), "GIT_STRATEGY=none"))
		select {
		case <-started.Messages:
		case err := <-started.Err:
			t.Fatal(err)
		case <-time.After(patience):
			t.Fatalf("no build container was started\n%s", w.log)
		}
		time.Sleep(time.Duration(dice.Int64N(int64(150 * time.Millisecond))))
		w.signal(syscall.SIGKILL)
		w.waitExit()
		if log, err := os.ReadFile(filepath.Join(w.dir, ".lced-runner", journal.Name(w.url, job)+".log")); err == nil && !bytes.Contains(log, []byte("begin\n")) {
			before++
		}
		w.startRunner()
		j, log := w.await(job)
		e := ending{j, log}
		fails("script_failure", 7)(t, e)
		e.times(t, "\nbegin\n", 1)
		for len(started.Messages) > 0 {
			<-started.Messages // the container of a preparation that began again
		}
	}
	t.Logf("CHAOS injected %-28s %d, %d of them before the script's first line", "kill at the script's start", kills, before)
}
