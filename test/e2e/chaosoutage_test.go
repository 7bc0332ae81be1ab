package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"lced-runner/internal/coordinator"
)

// TestOutage lets GitLab be away for LCED_CHAOS_OUTAGE, in real time, and only if that is set. A job ends meanwhile, another one
// goes on all the time, and in the middle the runner is killed: afterwards both have ended as their scripts say.
func TestOutage(t *testing.T) {
	t.Parallel()
	span := chaosSpan(t, "LCED_CHAOS_OUTAGE")
	w := newWorld(t, plainConfig, nil)
	seconds := int(span/time.Second) + 20
	short := chaosKind{name: "short", spec: job(slowly(300)), state: coordinator.StateSuccess, count: 300}
	long := chaosKind{
		name: "long", state: coordinator.StateFailed, code: 7, count: seconds,
		spec: job(fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "line $i of the log"; i=$((i+1)); sleep 1; done; exit 7`, seconds)),
	}
	kinds := map[int64]chaosKind{w.submit(short.spec): short, w.submit(long.spec): long}
	for id := range kinds {
		w.awaitLog(id, "line 3 of")
	}
	w.away(true)
	time.Sleep(span / 2)
	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.startRunner()
	time.Sleep(span / 2)
	w.away(false)
	back := time.Now()
	for id, kind := range kinds {
		j, log := w.await(id)
		t.Logf("CHAOS after an outage of %v the %s job ended in GitLab %v behind its end", span, kind.name, time.Since(back).Round(time.Second))
		if n, whole := kind.lines(log); !whole || j.State != kind.state || j.ExitCode != kind.code {
			t.Errorf("the %s job ended as %s, %s, exit code %d, with %d lines\n%s", kind.name, j.State, j.FailureReason, j.ExitCode, n, tail(log))
		}
	}
}
