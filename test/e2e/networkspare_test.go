package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// networks are the runner's, by name.
func (w *world) networks() []string {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	list, err := w.docker.NetworkList(w.t.Context(), client.NetworkListOptions{Filters: client.Filters{}.Add("label", "lced.runner="+id)})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, n := range list.Items {
		names = append(names, n.Name)
		for name, value := range n.Labels {
			if strings.Contains(name, ".job.") || strings.Contains(name, ".project.") {
				w.t.Errorf("network %s is labelled as one job's: %s=%s", n.Name, name, value)
			}
		}
	}
	return names
}

// TestKeptNetworks: a job has the network of one that has ended, of whatever project, unless something is left on that; two at most are
// kept. No two jobs have the same at once, also when the runner dies with one network that a job has and one that none has.
func TestKeptNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	begin := func(project string) (id int64, network string) {
		t.Helper()
		spec := with(job("echo network=$CI_BUILD_NETWORK_NAME", "echo begun; "+untilGo), "GIT_STRATEGY=none")
		if spec.Repository = w.repo; project != "" {
			spec.Repository.Path = project
		}
		id = w.submit(spec)
		w.awaitLog(id, "\nbegun\n")
		return id, said(t, string(w.gitlab.Trace(id)), "network=")
	}
	jobs := 0
	end := func(id int64) {
		t.Helper()
		w.letGo(w.containerOf(id, "build"))
		if j, log := w.await(id); j.State != coordinator.StateSuccess {
			t.Errorf("a job ended as %s\n%s", j.State, log)
		}
		jobs++
		w.awaitNetworks(jobs)
	}
	one, first := begin("")
	two, second := begin("another/project")
	three, third := begin("")
	if first == second || second == third || first == third {
		t.Errorf("jobs at once have the networks %s, %s and %s", first, second, third)
	}
	end(one)
	end(two)
	end(three)
	if got := w.networks(); len(got) != 2 || !slices.Contains(got, first) || !slices.Contains(got, second) {
		t.Errorf("kept are %v, want %s and %s", got, first, second)
	}

	// What is left on a network, even if it does not run, is not met by the next job.
	four, network := begin("another/project")
	if network != first {
		t.Errorf("the job has network %s, kept was %s", network, first)
	}
	w.leaveOn(first)
	end(four)
	if got := w.networks(); slices.Contains(got, first) {
		t.Errorf("network %s is kept although a container is left on it", first)
	}
	// Nor is what came to it when it had no job.
	if _, err := w.docker.ContainerStart(t.Context(), w.leaveOn(second), client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	five, network := begin("")
	if on := w.runningOn(network); len(on) != 1 || !strings.HasSuffix(on[0], "-build") {
		t.Errorf("on the network of a job are %v", on)
	}
	end(five)
	// One that somebody has pruned is made anew.
	for _, name := range w.networks() {
		if _, err := w.docker.NetworkRemove(t.Context(), name, client.NetworkRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	six, held := begin("")
	seven, waiting := begin("")
	end(seven)

	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.startRunner()
	w.awaitUp()
	jobs = 0
	eight, network := begin("")
	if network != waiting || network == held {
		t.Errorf("behind the death of the runner a job has network %s, one has %s and %s has none", network, held, waiting)
	}
	if on := w.runningOn(held); len(on) != 1 {
		t.Errorf("on the network of a job that goes on are %v", on)
	}
	end(eight)
	w.letGo(w.containerOf(six, "build"))
	if j, log := w.await(six); j.State != coordinator.StateSuccess {
		t.Errorf("the job that went on ended as %s\n%s", j.State, log)
	}
	w.drain()
	if got := w.networks(); len(got) > 0 {
		t.Errorf("behind the runner are left %v", got)
	}
}

// leaveOn makes a container of somebody else's on a network.
func (w *world) leaveOn(network string) string {
	w.t.Helper()
	res, err := w.docker.ContainerCreate(w.t.Context(), client.ContainerCreateOptions{
		Config:     &container.Config{Image: "busybox:latest", Cmd: []string{"sleep", "1000"}},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(network)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if _, err := w.docker.ContainerRemove(cleanupContext(), res.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			w.t.Error(err)
		}
	})
	return res.ID
}

// runningOn names what runs on a network.
func (w *world) runningOn(network string) []string {
	w.t.Helper()
	res, err := w.docker.NetworkInspect(w.t.Context(), network, client.NetworkInspectOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, c := range res.Network.Containers {
		names = append(names, c.Name)
	}
	return names
}
