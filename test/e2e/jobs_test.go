package e2e

import (
	"context"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// cleanupContext is for what happens after a test's own context has ended.
func cleanupContext() context.Context { return context.Background() }

// job is a job in busybox with these script lines.
func job(script ...string) coordinator.JobSpec {
	return coordinator.JobSpec{Job: ciyaml.Job{Name: "job", Image: &ciyaml.Image{Name: "busybox:latest"}, Script: script}}
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, map[string]string{"hello.txt": "hello from the checkout\n"})
	j, log := w.run(job("cat hello.txt", "echo $CI_PROJECT_PATH"))
	if j.State != coordinator.StateSuccess {
		t.Fatalf("state %s (%s)\n%s", j.State, j.FailureReason, log)
	}
	for _, want := range []string{
		"Running with lced-runner", `Preparing the "docker" executor`, "section_start:", ":get_sources\r\x1b[0K",
		"Created fresh repository.", "as detached HEAD (ref is main)...", "Job started in ", "\x1b[32;1m$ cat hello.txt\x1b[0;m\n",
		"hello from the checkout\n", w.repo.Path + "\n", "\x1b[32;1mJob succeeded\x1b[0;m",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}
