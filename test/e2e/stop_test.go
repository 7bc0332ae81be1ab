package e2e

import (
	"strings"
	"syscall"
	"testing"
)

// releasing makes a script give something back when it is told to end, as terraform does with its lock.
const releasing = `trap 'sleep 1; echo lock released; exit 1' TERM`

// interrupted is the end of a job that the runner ended because it was told to stop.
func interrupted(t *testing.T, w *world, id int64, wants ...string) {
	t.Helper()
	if code := w.waitExit(); code != 0 {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
	j, log := w.await(id)
	fails("runner_interrupted", 0, append(wants, "begun\n", "aborted: terminated")...)(t, ending{j, log})
	w.assertEngineClean()
}

// TestShutdownAbort: with shutdown = "abort" SIGTERM does to jobs what gitlab-runner does: their processes are told to end, and
// what they say of it is in the log.
func TestShutdownAbort(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig("check_interval = 1\n" + w.entry("abort") + "\n[lced]\n  shutdown = \"abort\"\n")
	w.startRunner()
	id := w.submit(with(job(releasing, forever), "GIT_STRATEGY=none"))
	w.awaitLog(id, "begun\n")
	w.signal(syscall.SIGTERM)
	interrupted(t, w, id, "\nlock released\n")
}

// TestSecondSignal: SIGTERM leaves the jobs, one more signal ends them.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	id := w.submit(job(forever))
	w.awaitLog(id, "begun\n")
	w.signal(syscall.SIGTERM)
	w.signal(syscall.SIGINT)
	interrupted(t, w, id)
	if !strings.Contains(w.log.String(), "leaving the running jobs") {
		t.Errorf("the first signal did not leave the jobs:\n%s", w.log)
	}
}

// TestLateSecondSignal: the second signal ends the jobs also when they are left already and only the container is awaited that
// is to wait in the runner's place.
func TestLateSecondSignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	id := w.submit(with(job(forever), "GIT_STRATEGY=none"))
	w.awaitLog(id, "begun\n")
	w.signal(syscall.SIGTERM)
	w.awaitSaid("the job goes on without this process")
	w.signal(syscall.SIGINT)
	interrupted(t, w, id)
}

// TestNobodyComesBack: GitLab is told of a job that its runner left and that no other one has taken over; a runner that comes
// back later ends what is left of it.
func TestNobodyComesBack(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig("check_interval = 1\n" + w.entry("gone") + "\n[lced]\n  handover_timeout = \"1s\"\n")
	w.startRunner()
	id := w.submit(with(job(forever), "GIT_STRATEGY=none"))
	w.awaitLog(id, "begun\n")
	w.signal(syscall.SIGTERM)
	w.waitExit()
	j, log := w.await(id)
	fails("runner_system_failure", 0, "begun\n", "none has taken over for 1s")(t, ending{j, log})
	if running := w.runningContainers(id); len(running) == 0 {
		t.Error("the job did not go on")
	}
	w.startRunner()
	w.drain()
	w.assertEngineClean()
}
