package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestRunSingle has one runner do a few jobs and end by itself: by flags and variables alone, with an identity that stays,
// and by its name in a configuration file.
func TestRunSingle(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.env = []string{"CI_SERVER_TOKEN=" + w.token, "DOCKER_PULL_POLICY=if-not-present", "RUNNER_ENV=FROM=the environment", "RUNNER_NAME=single"}
	single := func(args ...string) { w.args = append([]string{"run-single"}, args...) }
	exits := func() {
		t.Helper()
		if code := w.waitExit(); code != 0 {
			t.Errorf("exit code %d\n%s", code, w.log)
		}
	}
	said := func(texts ...string) {
		t.Helper()
		wantTexts(t, w.log.String()[w.begun:], texts...)
	}
	var jobs []int64
	for range 3 {
		jobs = append(jobs, w.submit(job("cat README", `echo "from $FROM, slot $CI_CONCURRENT_ID"`)))
	}

	single("--url", w.url, "--docker-image", "busybox", "--max-builds", "2")
	w.startRunner()
	exits()
	for _, id := range jobs[:2] {
		j, log := w.await(id)
		wantSuccess(t, j, log, "\na file of the repository\n", "\nfrom the environment, slot 0\n", "single")
	}
	if j, _ := w.gitlab.Job(jobs[2]); j.State != coordinator.StatePending {
		t.Errorf("a third job is %s", j.State)
	}
	said("taking no more jobs", "as many jobs as it was to take")
	if _, err := os.Stat(filepath.Join(w.dir, "config.toml")); !os.IsNotExist(err) {
		t.Errorf("there is a configuration: %v", err)
	}
	places, _ := filepath.Glob(filepath.Join(w.dir, "single-*"))
	if len(places) != 1 {
		t.Fatalf("the state is in %q", places)
	}

	// Killed in a job: the next one with these flags goes on with it, and none comes after it.
	forever := w.submit(with(job(forever), "GIT_STRATEGY=none"))
	single("--url", w.url, "--docker-image", "busybox")
	w.startRunner()
	w.await(jobs[2])
	w.awaitLog(forever, "begun\n")
	w.signal(syscall.SIGKILL)
	w.waitExit()
	single("--url", w.url, "--docker-image", "busybox", "--wait-timeout", "1")
	w.startRunner()
	w.awaitSaid("taking jobs")
	w.signal(syscall.SIGTERM)
	exits()
	j, log := w.await(forever)
	fails("runner_interrupted", 0, "begun\n", "aborted: terminated")(t, ending{j, log})
	for _, id := range []string{w.dir, places[0]} {
		(&world{t: t, docker: w.docker, dir: id}).assertEngineClean()
	}

	w.configure(plainConfig)
	last := w.submit(job("echo last"))
	w.env = nil
	single("--runner", "e2e", "--wait-timeout", "3")
	w.startRunner()
	exits()
	j, log = w.await(last)
	wantSuccess(t, j, log, "\nlast\n")
	said("without a job for as long as it was to be")
	if strings.Count(w.log.String()[w.begun:], "job finished") != 1 {
		t.Errorf("not one job:\n%s", w.log)
	}
}
