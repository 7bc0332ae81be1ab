package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// everyPolicy lets jobs use local images and choose any pull policy.
const everyPolicy dockerConfig = `
    image = "busybox:latest"
    pull_policy = "if-not-present"
    allowed_pull_policies = ["always", "if-not-present", "never"]
`

// ending is how a job ended.
type ending struct {
	coordinator.Job
	log string
}

// scenario is one job of a world that several share, and what is expected of its end.
type scenario struct {
	name  string
	spec  coordinator.JobSpec
	check func(t *testing.T, e ending)
}

// play runs all scenarios in w, as many at once as its runner has slots, and checks each in a subtest.
func (w *world) play(scenarios []scenario) {
	w.t.Helper()
	ids := make([]int64, len(scenarios))
	for i, s := range scenarios {
		ids[i] = w.submit(s.spec)
	}
	for i, s := range scenarios {
		job, log := w.await(ids[i])
		running := w.runningContainers(ids[i])
		w.t.Run(s.name, func(t *testing.T) {
			s.check(t, ending{job, log})
			if len(running) > 0 {
				t.Errorf("GitLab was told of the job's end while %v still ran", running)
			}
		})
	}
}

// runningContainers are the names of a job's containers that still run.
func (w *world) runningContainers(job int64) []string {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	list, err := w.docker.ContainerList(w.t.Context(), client.ContainerListOptions{
		Filters: client.Filters{}.Add("label", "lced.runner="+id, fmt.Sprintf("com.gitlab.gitlab-runner.job.id=%d", job)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, c := range list.Items {
		names = append(names, c.Names...)
	}
	return names
}

// in is a job in an image.
func in(image string, script ...string) coordinator.JobSpec {
	spec := job(script...)
	spec.Job.Image.Name = image
	return spec
}

// after adds an after_script.
func after(spec coordinator.JobSpec, script ...string) coordinator.JobSpec {
	spec.Job.AfterScript = script
	return spec
}

// with adds variables as a pipeline file has them: public, KEY=VALUE.
func with(spec coordinator.JobSpec, variables ...string) coordinator.JobSpec {
	for _, kv := range variables {
		key, value, _ := strings.Cut(kv, "=")
		spec.Job.Variables = append(spec.Job.Variables, ciyaml.Variable{Name: key, Value: value})
	}
	return spec
}

// patched changes the payload on its way to the runner.
func patched(spec coordinator.JobSpec, patch func(payload map[string]any)) coordinator.JobSpec {
	spec.Patch = patch
	return spec
}

// beside adds services.
func beside(spec coordinator.JobSpec, services ...ciyaml.Service) coordinator.JobSpec {
	spec.Job.Services = services
	return spec
}

// succeeds checks for success and for texts in the log.
func succeeds(wants ...string) func(*testing.T, ending) {
	return func(t *testing.T, e ending) {
		t.Helper()
		if e.State != coordinator.StateSuccess {
			t.Errorf("state %s (%s, exit code %d), want success\n%s", e.State, e.FailureReason, e.ExitCode, e.log)
			return
		}
		e.has(t, wants...)
	}
}

// fails checks for a failure with this reason and exit code, and for texts in the log.
func fails(reason string, code int, wants ...string) func(*testing.T, ending) {
	return func(t *testing.T, e ending) {
		t.Helper()
		if e.State != coordinator.StateFailed || e.FailureReason != reason || e.ExitCode != code {
			t.Errorf("state %s, reason %q, exit code %d; want failed, %q, %d\n%s", e.State, e.FailureReason, e.ExitCode, reason, code, e.log)
			return
		}
		e.has(t, wants...)
	}
}

// lacks adds texts that the log must not hold.
func lacks(check func(*testing.T, ending), unwanted ...string) func(*testing.T, ending) {
	return func(t *testing.T, e ending) {
		t.Helper()
		check(t, e)
		for _, text := range unwanted {
			if strings.Contains(e.log, text) {
				t.Errorf("the log holds %q:\n%s", text, e.log)
			}
		}
	}
}

func (e ending) has(t *testing.T, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(e.log, want) {
			t.Errorf("the log lacks %q:\n%s", want, e.log)
		}
	}
}

// times checks how often a text is in the log.
func (e ending) times(t *testing.T, text string, want int) {
	t.Helper()
	if n := strings.Count(e.log, text); n != want {
		t.Errorf("the log holds %q %d times, want %d:\n%s", text, n, want, e.log)
	}
}

// numbered is a script that prints lines in several writes, and what it prints.
func numbered(lines int) (script, text string) {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "line %d of the log\n", i)
	}
	return fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "line $i of the log"; i=$((i+1)); done`, lines), b.String()
}
