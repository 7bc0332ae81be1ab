package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// forever is a script that shows it has begun, and lives until it is ended. It keeps talking, as the answers to its log are
// how a runner learns of a cancel; a silent job learns of it by the keep-alive, half a minute later.
const forever = `echo begun; while :; do sleep 1; echo tick; done`

// timeout sets the job's limit in seconds.
func timeout(seconds int, spec coordinator.JobSpec) coordinator.JobSpec {
	return patched(spec, func(payload map[string]any) {
		payload["runner_info"].(map[string]any)["timeout"] = json.Number(fmt.Sprint(seconds))
	})
}

func TestConformance_07_Timeouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"job", timeout(6, after(job("sleep 600"), "echo after")), lacks(fails("job_execution_timeout", 0, "execution took longer than 6s"), "\nafter\n")},
		{"script", with(after(job("sleep 600", "echo never"), `echo "status is $CI_JOB_STATUS"`), "RUNNER_SCRIPT_TIMEOUT=1s"),
			lacks(fails("job_execution_timeout", 0, "WARNING: step_script could not run to completion because the timeout was exceeded.", "\nstatus is timedout\n"), "\nnever\n")},
		{"script that is stopped as docker stop does", with(after(job("sleep 600", "echo never"), `echo "status is $CI_JOB_STATUS"`), "RUNNER_SCRIPT_TIMEOUT=1s", "FF_USE_NATIVE_CONTAINER_STOP=true"),
			lacks(fails("job_execution_timeout", 0, "\nstatus is timedout\n"), "\nnever\n")},
		{"script that ignores SIGTERM", with(after(job("trap '' TERM", "while :; do sleep 1; done"), `echo "status is $CI_JOB_STATUS"`), "RUNNER_SCRIPT_TIMEOUT=1s"),
			fails("job_execution_timeout", 0, "\nstatus is timedout\n")},
		{"after_script", with(after(job("true"), "sleep 600"), "RUNNER_AFTER_SCRIPT_TIMEOUT=1s"), succeeds("after_script took longer than 1s", "WARNING: after_script could not run to completion")},
		{"after_script that matters", with(after(job("true"), "sleep 600"), "RUNNER_AFTER_SCRIPT_TIMEOUT=1s", "AFTER_SCRIPT_IGNORE_ERRORS=false"), fails("job_execution_timeout", 0, "after_script took longer than 1s")},
		{"not a duration", with(job("true"), "RUNNER_SCRIPT_TIMEOUT=soon"), succeeds(`RUNNER_SCRIPT_TIMEOUT is "soon"`)},
		{"of the start-up", timeout(4, in(func() string { address, _ := silentRegistry(t); return address }()+"/x", "echo never")), lacks(fails("job_execution_timeout", 0), "\nnever\n")},
	})
}

// canceled checks for a job that a user has ended.
func canceled(t *testing.T, e ending, wants ...string) {
	t.Helper()
	if e.State != coordinator.StateCanceled {
		t.Errorf("state %s, want canceled\n%s", e.State, e.log)
		return
	}
	e.has(t, wants...)
}

func TestConformance_07_Cancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	id := w.submit(after(job(forever), `echo "status is $CI_JOB_STATUS"`))
	w.awaitLog(id, "begun\n")
	w.gitlab.Cancel(id)
	j, log := w.await(id)
	canceled(t, ending{j, log}, "script canceled externally (UI, API)", "\nstatus is canceled\n")

	address, connected := silentRegistry(t)
	id = w.submit(after(in(address+"/x", "echo never"), "echo nor this"))
	<-connected
	w.gitlab.Cancel(id)
	j, log = w.await(id)
	canceled(t, ending{j, log})
	if strings.Contains(log, "nor this") {
		t.Errorf("a job that is canceled before its script runs after_script:\n%s", log)
	}
}

// TestConformance_07_ForceCancel ends a job at once: in its script, so that after_script never starts, and in after_script. The next
// job does not find its file variables.
func TestConformance_07_ForceCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	started := w.watchStarts()
	id := w.submit(with(after(job(forever), "true"), "GIT_STRATEGY=none"))
	w.awaitLog(id, "begun\n")
	w.gitlab.ForceCancel(id)
	if names := started(); len(names) != 1 {
		t.Errorf("the job started %v; its build container must start once, for the script", names)
	}
	started = w.watchStarts()
	id = w.submit(with(after(job(forever), forever), "GIT_STRATEGY=none"))
	w.awaitLog(id, "begun\n")
	w.gitlab.Cancel(id)
	w.awaitLog(id, "Running after script...")
	w.gitlab.ForceCancel(id)
	if names := started(); len(names) != 2 {
		t.Errorf("the job started %v; its build container must start twice", names)
	}
	secret := job(`test -s "$CI_PROJECT_DIR.tmp/KEY"`, forever)
	secret.Variables = []coordinator.Variable{{Key: "KEY", Value: "secret", File: true}}
	id = w.submit(secret)
	w.awaitLog(id, "begun\n")
	w.gitlab.ForceCancel(id)
	if j, log := w.run(job(`ls -A "$CI_PROJECT_DIR.tmp"`, `test ! -e "$CI_PROJECT_DIR.tmp/KEY"`)); j.State != coordinator.StateSuccess {
		t.Errorf("the next job ends as %s:\n%s", j.State, log)
	}
}

// TestConformance_07_OutOfMemory names what the kernel did.
func TestConformance_07_OutOfMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig[:strings.Index(string(plainConfig), "  [runners.dind]")]+"    memory = \"32m\"\n    memory_swap = \"32m\"\n", nil)
	w.play([]scenario{
		{"the script", job("tail /dev/zero", "echo never"), lacks(fails("script_failure", 137, "ran out of memory and was killed", "[runners.docker] memory"), "\nnever\n")},
	})
}
