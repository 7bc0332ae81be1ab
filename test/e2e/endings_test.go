package e2e

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestTenJobsAtOnce has them meet: each asks a server that answers when all ten have asked.
func TestTenJobsAtOnce(t *testing.T) {
	t.Parallel()
	const jobs = 10
	w := prepareWorld(t, nil)
	arrived, all := make(chan struct{}), make(chan struct{})
	go func() {
		for range jobs {
			<-arrived
		}
		close(all)
	}()
	l, err := net.Listen("tcp", net.JoinHostPort(gateway(t, w.docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-all:
			fmt.Fprintln(rw, "all are here")
		case <-r.Context().Done():
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served })

	w.writeConfig(fmt.Sprintf("concurrent = %d\ncheck_interval = 1\n[[runners]]\n  name = \"ten\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  [runners.docker]%s", jobs, w.url, w.token, plainConfig))
	w.startRunner()
	var ids []int64
	for range jobs {
		ids = append(ids, w.submit(job("wget -q -O - http://"+l.Addr().String(), `echo "slot <$CI_CONCURRENT_ID> <$CI_CONCURRENT_PROJECT_ID>"`, "cat README")))
	}
	var slots, want []string
	for i, id := range ids {
		j, log := w.await(id)
		succeeds("all are here\n", "a file of the repository\n")(t, ending{j, log})
		_, slot, _ := strings.Cut(log, "\nslot ")
		slot, _, _ = strings.Cut(slot, "\n")
		slots = append(slots, slot)
		want = append(want, fmt.Sprintf("<%d> <%d>", i, i))
	}
	slices.Sort(slots)
	if !slices.Equal(slots, want) {
		t.Errorf("slots %v, want %v", slots, want)
	}
}

// TestFaults disturbs the delivery of logs and endings. That each log is whole is compared by its checksum, too.
func TestFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	script, lines := numbered(3000)
	slow := fmt.Sprintf("%s; sleep 3; %s", script, script)
	faults := []struct {
		name   string
		faults []coordinator.Fault
	}{
		{"another length", []coordinator.Fault{{Endpoint: coordinator.EndpointTrace, Status: 416, Truncate: true, Keep: 7}}},
		{"log lost at the end", []coordinator.Fault{{Endpoint: coordinator.EndpointFinal, Status: 412, Truncate: true}}},
		{"still storing", []coordinator.Fault{{Endpoint: coordinator.EndpointFinal, Status: 202, Times: 2}}},
		{"server errors", []coordinator.Fault{{Endpoint: coordinator.EndpointTrace, Status: 500, Times: 3}, {Endpoint: coordinator.EndpointTrace, Status: 503, Times: 3}, {Endpoint: coordinator.EndpointFinal, Status: 502, Times: 2}}},
		{"connection cut", []coordinator.Fault{{Endpoint: coordinator.EndpointTrace, Cut: true, Times: 3}, {Endpoint: coordinator.EndpointFinal, Cut: true}}},
		{"answers lost", []coordinator.Fault{{Endpoint: coordinator.EndpointTrace, Lose: true, Times: 2}, {Endpoint: coordinator.EndpointFinal, Lose: true}}},
		{"long outage", []coordinator.Fault{{Endpoint: coordinator.EndpointTrace, Status: 502, Times: 25}}},
		{"a proxy without its GitLab", []coordinator.Fault{{Endpoint: coordinator.EndpointTrace, Status: 404, Times: 3}, {Endpoint: coordinator.EndpointFinal, Status: 404}}},
		{"running not answered", []coordinator.Fault{{Endpoint: coordinator.EndpointUpdate, Status: 500, Times: 2}}},
	}
	var scenarios []scenario
	for i, f := range faults {
		for _, fault := range f.faults {
			fault.Job = int64(i + 1) // a coordinator numbers its jobs from 1
			w.gitlab.Inject(fault)
		}
		scenarios = append(scenarios, scenario{f.name, job(slow), func(t *testing.T, e ending) {
			succeeds("Running with ", "Job succeeded")(t, e)
			if n := strings.Count(e.log, lines); n != 2 {
				t.Errorf("the log holds the lines %d times, want 2", n)
			}
		}})
	}
	w.play(scenarios)
}

// TestRefusedToken: GitLab refuses the token of a job that it has deleted. The job ends at once with all that belongs to it, and
// nothing more is told of it.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	id := w.submit(after(job(forever), "echo never"))
	w.awaitLog(id, "begun\n")
	for _, e := range []coordinator.Endpoint{coordinator.EndpointTrace, coordinator.EndpointUpdate} {
		w.gitlab.Inject(coordinator.Fault{Endpoint: e, Status: 403, Times: 1 << 30})
	}
	w.awaitSaid("job finished")
	if running := w.runningContainers(id); len(running) > 0 {
		t.Errorf("%v still run", running)
	}
	w.drain()
	if j, _ := w.gitlab.Job(id); j.State != coordinator.StateRunning || strings.Contains(string(w.gitlab.Trace(id)), "never\n") {
		t.Errorf("GitLab was told of the end of a job that is none of this runner's: %s\n%s", j.State, w.gitlab.Trace(id))
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, ".lced-runner", "j*", "job-*")); len(left) > 0 || err != nil {
		t.Errorf("left in the journal: %v, %v", left, err)
	}
}
