package e2e

import (
	"fmt"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// entry is a [[runners]] table of its own for one job at a time.
func (w *world) entry(name string) string {
	return fmt.Sprintf("[[runners]]\n  name = %q\n  url = %q\n  token = %q\n  executor = \"docker\"\n  limit = 1\n  [runners.docker]%s", name, w.url, w.token, plainConfig)
}

// TestTwoGitLabs gives one runner two GitLabs whose jobs have the same number at the same time.
func TestTwoGitLabs(t *testing.T) {
	t.Parallel()
	w, other := prepareWorld(t, nil), prepareWorld(t, nil)
	w.writeConfig("concurrent = 2\ncheck_interval = 1\n" + w.entry("one") + other.entry("other"))
	w.startRunner()
	talk := func(word string) coordinator.JobSpec { return job("while :; do sleep 1; echo " + word + "; done") }
	one, two := w.submit(talk("one")), other.submit(talk("two"))
	if one != two {
		t.Fatalf("jobs %d and %d must have one number", one, two)
	}
	w.awaitLog(one, "\none\n")
	other.awaitLog(two, "\ntwo\n")
	w.gitlab.Cancel(one)
	other.gitlab.Cancel(two)
	j, log := w.await(one)
	canceled(t, ending{j, log}, "\none\n")
	k, otherLog := other.await(two)
	canceled(t, ending{k, otherLog}, "\ntwo\n")
	if strings.Contains(log, "\ntwo\n") || strings.Contains(otherLog, "\none\n") {
		t.Errorf("the logs are mixed:\n%s\n%s", log, otherLog)
	}
}

// TestOneTokenTwice gives the same runner token to two entries: their jobs of one project must not share a directory.
func TestOneTokenTwice(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig("concurrent = 2\ncheck_interval = 1\n" + w.entry("one") + w.entry("other"))
	w.startRunner()
	mine := `echo $CI_JOB_ID >mine; echo "slot $CI_CONCURRENT_PROJECT_ID"; while :; do sleep 1; echo "has $(cat mine) of $CI_JOB_ID"; done`
	one, two := w.submit(job(mine)), w.submit(job(mine))
	w.awaitLog(one, "\nhas ")
	w.awaitLog(two, "\nhas ")
	w.gitlab.Cancel(one)
	w.gitlab.Cancel(two)
	j, log := w.await(one)
	k, otherLog := w.await(two)
	canceled(t, ending{j, log}, fmt.Sprintf("\nhas %d of %d\n", one, one))
	canceled(t, ending{k, otherLog}, fmt.Sprintf("\nhas %d of %d\n", two, two))
	if strings.Contains(log, "slot 0\n") == strings.Contains(otherLog, "slot 0\n") {
		t.Errorf("both have one slot:\n%s\n%s", log, otherLog)
	}
}
