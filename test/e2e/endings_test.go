package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
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

func TestTimeouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"job", timeout(6, after(job("sleep 600"), "echo after")), lacks(fails("job_execution_timeout", 0, "execution took longer than 6s"), "\nafter\n")},
		{"script", with(after(job("sleep 600", "echo never"), `echo "status is $CI_JOB_STATUS"`), "RUNNER_SCRIPT_TIMEOUT=1s"),
			lacks(fails("job_execution_timeout", 0, "\nstatus is timedout\n"), "\nnever\n")},
		{"script that ignores SIGTERM", with(after(job("trap '' TERM", "while :; do sleep 1; done"), `echo "status is $CI_JOB_STATUS"`), "RUNNER_SCRIPT_TIMEOUT=1s"),
			fails("job_execution_timeout", 0, "\nstatus is timedout\n")},
		{"after_script", with(after(job("true"), "sleep 600"), "RUNNER_AFTER_SCRIPT_TIMEOUT=1s"), succeeds("after_script took longer than 1s")},
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

func TestCancel(t *testing.T) {
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

// TestForceCancel ends a job at once: in its script, so that after_script never starts, and in after_script.
func TestForceCancel(t *testing.T) {
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
}

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

// TestOutputLimit also shows that a job goes on after its log is full.
func TestOutputLimit(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig(fmt.Sprintf("concurrent = 1\ncheck_interval = 1\nconcurent = 2\n[[runners]]\n  name = \"limit\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  output_limit = 16\n  [runners.docker]%s    privilegd = true\n", w.url, w.token, plainConfig))
	w.startRunner()
	script, _ := numbered(5000)
	j, log := w.run(job(script, "exit 9"))
	e := ending{j, log}
	fails("script_failure", 9, "Job's log exceeded limit of 16384 bytes.\n")(t, e)
	if !strings.HasSuffix(log, "no more output will be collected.\x1b[0;m\n") {
		t.Errorf("the notice is not the end of the log: %q", log[max(0, len(log)-200):])
	}
	w.drain()
	for _, want := range []string{"config.toml:3: concurent: unknown key", "config.toml:15: runners.dind.privilegd: unknown key"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the runner does not warn of unknown keys: %q is not in\n%s", want, w.log)
		}
	}
}

// TestPayloads sends what this runner cannot do: each is a failure that says why.
func TestPayloads(t *testing.T) {
	t.Parallel()
	set := func(key string, value any) coordinator.JobSpec {
		return patched(job("echo never"), func(payload map[string]any) { payload[key] = value })
	}
	never := func(check func(*testing.T, ending)) func(*testing.T, ending) { return lacks(check, "\nnever\n") }
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"executor_opts", patched(job("echo never"), func(payload map[string]any) {
			payload["image"].(map[string]any)["executor_opts"] = map[string]any{"docker": map[string]any{"platfrom": "linux/arm64"}}
		}), never(fails("runner_system_failure", 0, `Unsupported "image" options [platfrom] for "docker executor"; supported options are [platform user]`))},
		{"executor_opts for kubernetes", patched(job("echo fine"), func(payload map[string]any) {
			payload["image"].(map[string]any)["executor_opts"] = map[string]any{"kubernetes": map[string]any{"user": "1000"}}
		}), succeeds("\nfine\n")},
		{"run", set("run", `[{"name":"hello","script":"echo hello"}]`), never(fails("runner_configuration_error", 0, "keyword run:", "use script:"))},
		{"inputs", set("inputs", []any{map[string]any{"key": "x", "value": map[string]any{"type": "string", "content": "y"}}}), never(fails("runner_configuration_error", 0, "inputs:"))},
		{"secrets", set("secrets", map[string]any{"S": map[string]any{"vault": map[string]any{}}}), never(fails("runner_configuration_error", 0, "secrets:"))},
		{"nulls and unknown fields", patched(job("echo fine"), func(payload map[string]any) {
			for _, key := range []string{"artifacts", "cache", "credentials", "dependencies", "services", "hooks", "inputs", "run", "secrets", "policy_options"} {
				payload[key] = nil
			}
			payload["never_heard_of"] = map[string]any{"a": []any{1, "b"}}
		}), succeeds("\nfine\n")},
		{"default image", patched(job("echo fine"), func(payload map[string]any) { payload["image"] = nil }), succeeds("image busybox:latest ...", "\nfine\n")},
		{"unreadable", set("steps", "none"), never(fails("runner_system_failure", 0))},
		{"clone path outside", with(job("echo never"), "GIT_CLONE_PATH=/etc/x"), never(fails("runner_configuration_error", 0, "GIT_CLONE_PATH is /etc/x"))},
		{"without sections", patched(job("echo fine"), func(payload map[string]any) { payload["features"].(map[string]any)["trace_sections"] = false }), lacks(succeeds("\nfine\n"), "section_start")},
	})
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
