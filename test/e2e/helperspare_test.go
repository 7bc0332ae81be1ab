package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// awaitKeptHelpers waits until so many helpers that no job has are all the containers that the runner has.
func (w *world) awaitKeptHelpers(n int) []container.Summary {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		all, err := w.docker.ContainerList(w.t.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", "lced.runner="+id)})
		if err != nil {
			w.t.Fatal(err)
		}
		kept := slices.DeleteFunc(slices.Clone(all.Items), func(c container.Summary) bool {
			return c.Labels["com.gitlab.gitlab-runner.type"] != "predefined" || !strings.HasSuffix(c.Names[0], "-spare")
		})
		if len(kept) == n && len(all.Items) == n {
			return kept
		}
		if time.Now().After(late) {
			w.t.Fatalf("%d helpers are kept, want %d, among %d containers\n%s", len(kept), n, len(all.Items), w.log)
		}
	}
}

// TestKeptHelper: the helper of a job that went well serves the next one of its project and slot, whatever the first one tried to
// leave in it, also after the runner's death. None is kept of a job with a hook, with a failure or without a checkout that stays,
// nor one in which something runs.
func TestKeptHelper(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	const taken = "The helper was started for an earlier job of this project"
	run := func(spec coordinator.JobSpec, want string, kept bool) {
		t.Helper()
		j, log := w.run(spec)
		if j.State != want || strings.Contains(log, taken) != kept {
			t.Errorf("the job ended as %s, want %s; it had a kept helper: %v, want %v\n%s", j.State, want, !kept, kept, log)
		}
	}
	run(job("test -f README"), coordinator.StateSuccess, false)
	first := w.awaitKeptHelpers(1)[0]
	for name, value := range first.Labels {
		if strings.Contains(name, ".job.") || strings.Contains(name, ".pipeline.") {
			t.Errorf("it is labelled as one job's: %s=%s", name, value)
		}
	}
	seen, err := w.docker.ContainerInspect(t.Context(), first.ID, client.ContainerInspectOptions{})
	if err != nil || !seen.Container.HostConfig.ReadonlyRootfs || seen.Container.HostConfig.Privileged {
		t.Errorf("its file system is read-only: %v, it is privileged: %v (%v)", seen.Container.HostConfig.ReadonlyRootfs, seen.Container.HostConfig.Privileged, err)
	}
	for what, command := range map[string]string{
		"the program of all stages": "echo x >>/usr/bin/lced-runner", "the names of hosts": "echo x >>/etc/hosts", "git's configuration": "echo x >>/etc/gitconfig",
		"the memory of the first process": ": >>/proc/1/mem", "the home directory": "echo x >>/root/.gitconfig",
	} {
		if w.exec(first.ID, command) == 0 {
			t.Errorf("a command in the helper can change %s", what)
		}
	}

	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.startRunner()
	run(job("test -f README"), coordinator.StateSuccess, true)
	second := w.awaitKeptHelpers(1)[0]
	if second.ID != first.ID {
		t.Errorf("the job was served by helper %s, kept was %s", second.ID, first.ID)
	}
	if w.exec(second.ID, "(sleep 1000 </dev/null >/dev/null 2>&1 &)") != 0 {
		t.Error("nothing can be started in the helper")
	}
	run(job("true"), coordinator.StateSuccess, true)
	w.awaitKeptHelpers(0) // something runs in it

	run(job("true"), coordinator.StateSuccess, false)
	dead := w.awaitKeptHelpers(1)[0]
	if _, err := w.docker.ContainerKill(t.Context(), dead.ID, client.ContainerKillOptions{}); err != nil {
		t.Fatal(err)
	}
	run(job("exit 1"), coordinator.StateFailed, false)
	w.awaitKeptHelpers(0)
	hooked := job("true")
	hooked.Job.PreGetSources = []string{"touch /usr/bin/of-the-hook"}
	run(hooked, coordinator.StateSuccess, false)
	run(with(job("true"), "GIT_STRATEGY=clone"), coordinator.StateSuccess, false)
	w.awaitKeptHelpers(0)

	w.drain()
	w.configure(plainConfig + "[lced]\n  helper_idle = \"0s\"\n")
	w.startRunner()
	run(job("true"), coordinator.StateSuccess, false)
	w.awaitKeptHelpers(0)
}

// exec runs a shell command in a container and returns its exit code.
func (w *world) exec(id, command string) int {
	w.t.Helper()
	created, err := w.tryExec(id, command)
	if err != nil {
		w.t.Fatal(err)
	}
	state, err := w.docker.ExecInspect(w.t.Context(), created, client.ExecInspectOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return state.ExitCode
}
