package status

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// two is a board with two runners, of which one has a job.
func two(t *testing.T) (*Board, *Runner, *Runner, *Job) {
	t.Helper()
	b := New(Options{Version: "1.2.3", Revision: "abc", SystemID: "s_0123456789ab", ConfigFile: "/etc/gitlab-runner/config.toml", StateDir: t.TempDir()})
	busy := b.Runner(Identity{"busy", "abcdefghi", "https://gitlab.example.com"}, Limits{Jobs: 1, Requests: 1}, "unix:///var/run/docker.sock")
	free := b.Runner(Identity{"free", "ihgfedcba", "https://gitlab.example.com"}, Limits{Requests: 2}, "unix:///var/run/docker.sock")
	b.Configured(4, []*Runner{busy, free})
	b.Enter(Running)
	j := busy.Begin(Facts{ID: 7, URL: "https://gitlab.example.com/a/b/-/jobs/7", Name: `<script>alert("x")</script>`, Project: "a/b", Queued: 2 * time.Second, ProjectJobs: "0"})
	j.Stage("step_script")
	return b, busy, free, j
}

func get(t *testing.T, b *Board, keeper Keeper, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler(b, keeper, false).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func wants(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// TestMetrics looks for series as gitlab-runner's dashboards ask for them.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b, busy, free, j := two(t)
	b.EngineDisk("unix:///var/run/docker.sock", func() int64 { return 3 })
	b.EngineDisk("tcp://board:2376", func() int64 { return -1 })
	b.EngineDisk("unix:///var/run/docker.sock", func() int64 { return 9 })
	b.Removed("unix:///var/run/docker.sock", "image", 5)
	busy.Called(Call{"request_job", "POST", 201, time.Second})
	busy.Called(Call{"update_job", "PUT", 0, time.Second})
	free.Waits()
	asked := free.Asks()
	free.Pauses(errors.New("no"), true, time.Hour)
	// The same runner in a second table must not break the whole.
	b.Configured(2, []*Runner{busy, free, free, b.Runner(Identity{"free", "ihgfedcba", "https://other.example.com"}, Limits{}, "unix:///var/run/docker.sock")})
	j.Started("image", 300*time.Millisecond)
	_, text := get(t, b, nil, "/metrics")
	const busyLabels = `runner="abcdefghi",runner_name="busy",`
	wants(t, text,
		`gitlab_runner_version_info{architecture="`, `name="lced-runner"`, `version="1.2.3"`,
		"\ngitlab_runner_concurrent 2\n",
		`gitlab_runner_jobs{executor_stage="docker_run",`+busyLabels+`stage="step_script",state="running",system_id="s_0123456789ab"} 1`,
		`gitlab_runner_jobs{executor_stage="",runner="ihgfedcba",runner_name="free",stage="",state="",system_id="s_0123456789ab"} 0`,
		`gitlab_runner_limit{`+busyLabels+`system_id="s_0123456789ab"} 1`,
		`gitlab_runner_jobs_total{`+busyLabels+`system_id="s_0123456789ab"} 1`,
		`gitlab_runner_api_request_statuses_total{endpoint="request_job",method="post",runner="abcdefghi",status="201",system_id="s_0123456789ab"} 1`,
		`gitlab_runner_api_request_statuses_total{endpoint="update_job",method="put",runner="abcdefghi",status="-1",system_id="s_0123456789ab"} 1`,
		`gitlab_runner_job_queue_duration_seconds_bucket{project_jobs_running="0",`+busyLabels+`system_id="s_0123456789ab",le="3"} 1`,
		`gitlab_runner_request_concurrency{runner="ihgfedcba",system_id="s_0123456789ab"} 1`,
		`gitlab_runner_request_concurrency_hard_limit{runner="abcdefghi",system_id="s_0123456789ab"} 1`,
		`gitlab_runner_worker_health_check_failures_total{runner="ihgfedcba",runner_name="free",system_id="s_0123456789ab"} 1`,
		`gitlab_runner_errors_total{level="panic"} 0`, `gitlab_runner_errors_total{level="warning"} 0`,
		`gitlab_runner_process_state_info{state="running"} 1`, `gitlab_runner_process_state_info{state="starting"} 0`,
		`gitlab_runner_worker_slot_operations_total{operation="started"} 4`, `gitlab_runner_worker_slot_operations_total{operation="stopped"} 2`,
		"gitlab_runner_configuration_loaded_total 2\n", "gitlab_runner_configuration_loading_error_total 0\n",
		`lced_job_startup_seconds_count{phase="image"} 1`, "lced_journal_entries 0\n", "lced_disk_free_bytes ",
		`lced_engine_disk_free_bytes{engine="unix:///var/run/docker.sock"} 3`, `lced_engine_disk_free_bytes{engine="tcp://board:2376"} -1`,
		`lced_janitor_removed_total{engine="unix:///var/run/docker.sock",kind="image"} 5`,
		"go_goroutines ", "go_threads ", "go_gc_gogc_percent 100\n", "process_resident_memory_bytes ", "process_open_fds ", "process_network_receive_bytes_total ",
	)
	asked()
	j.End("script_failure")
	_, text = get(t, b, nil, "/metrics")
	wants(t, text,
		`gitlab_runner_failed_jobs_total{failure_reason="script_failure",mode="traditional",runner="abcdefghi",runner_name="busy"} 1`,
		`gitlab_runner_worker_processing_failures_total{failure_type="job_failure",`,
		`gitlab_runner_job_duration_seconds_count{mode="traditional",`+busyLabels+`system_id="s_0123456789ab"} 1`,
		`gitlab_runner_jobs{executor_stage="",`+busyLabels+`stage="",state="",system_id="s_0123456789ab"} 0`,
	)
}

func TestPages(t *testing.T) {
	t.Parallel()
	b, busy, _, _ := two(t)
	keeper := func(context.Context) ([]Kept, error) {
		return []Kept{{"container", "runner-abcdefghi-build", "running", "7"}}, errors.New("<b>engine")
	}
	_, text := get(t, b, keeper, "/debug/jobs/list")
	wants(t, text, "url=https://gitlab.example.com/a/b/-/jobs/7 state=running stage=step_script executor_stage=docker_run duration=")
	_, text = get(t, b, keeper, "/debug/process/state")
	wants(t, text, "running\n")
	_, text = get(t, b, keeper, "/")
	wants(t, text, "&lt;script&gt;", "runner-abcdefghi-build", `<a href="https://gitlab.example.com/a/b/-/jobs/7">7</a>`)
	if strings.Contains(text, "<script>") {
		t.Error("a job's name is HTML")
	}
	_, text = get(t, b, keeper, "/status.json")
	wants(t, text, `"stage": "step_script"`, `"kept_error": "\u003cb\u003eengine"`)
	if code, _ := get(t, b, keeper, "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles for everybody: %d", code)
	}

	if code, body := get(t, b, nil, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "asks GitLab for the first time") {
		t.Errorf("nobody has answered yet: %d %s", code, body)
	}
	busy.Answered()
	for _, path := range []string{"/readyz", "/health/ready", "/healthz"} {
		if code, body := get(t, b, nil, path); code != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	b.Enter(Draining)
	if code, body := get(t, b, nil, "/health/ready"); code != http.StatusServiceUnavailable || !strings.Contains(body, "graceful-shutdown") {
		t.Errorf("a draining runner: %d %s", code, body)
	}
	if code, _ := get(t, b, nil, "/healthz"); code != http.StatusOK {
		t.Errorf("a draining runner is alive: %d", code)
	}
}

// TestWhyNoJob is about what people ask most: why nothing happens.
func TestWhyNoJob(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		does func(b *Board, busy, free *Runner)
		want string
	}{
		{"engine away", func(_ *Board, _, free *Runner) { free.Pauses(errors.New("no docker engine at X"), false, time.Minute) }, "runner free: no docker engine at X; next try in 1m0s"},
		{"trying again", func(_ *Board, _, free *Runner) { free.Pauses(errors.New("no"), false, 0); free.Asks() }, "runner free: no; trying again now"},
		{"limit", func(_ *Board, busy, _ *Runner) { busy.Waits() }, "runner busy: has as many jobs as its limit allows (1)"},
		{"concurrent", func(b *Board, _, free *Runner) {
			b.Configured(1, b.runners)
			free.Waits()
		}, "as many jobs run as concurrent allows (1)"},
		{"no runners", func(b *Board, _, _ *Runner) { b.Configured(1, nil) }, "the configuration has no usable [[runners]]"},
		{"end", func(b *Board, _, _ *Runner) { b.Enter(Ending) }, "forceful-shutdown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, busy, free, _ := two(t)
				test.does(b, busy, free)
				report := b.Report(t.Context(), nil)
				wants(t, strings.Join(report.WhyNoJob, "\n"), test.want)
				wants(t, report.Text(time.Now()), test.want)
			})
		})
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, free, _ := two(t)
		defer free.Asks()()
		time.Sleep(29 * time.Minute)
		if !b.Report(t.Context(), nil).Alive {
			t.Error("a request may wait for a while")
		}
		time.Sleep(2 * time.Minute)
		if b.Report(t.Context(), nil).Alive {
			t.Error("a request that hangs for half an hour is no life")
		}
	})
}

// TestSocket asks a runner whose directory is deeper than the address of a socket may be long.
func TestSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if _, err := Ask(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v, want ErrNotRunning", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds what the first left
		b, _, _, _ := two(t)
		socket, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		if stat, err := os.Stat(filepath.Join(dir, socketName)); err != nil || stat.Mode().Perm() != 0o600 {
			t.Errorf("the socket is for more than its owner: %v %v", stat, err)
		}
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancelCause(t.Context())
		served := make(chan error)
		go func() { served <- Serve(ctx, b, nil, socket, tcp) }()
		report, err := Ask(t.Context(), dir)
		if err != nil || len(report.Jobs) != 1 || report.Jobs[0].ID != 7 {
			t.Errorf("%+v %v", report, err)
		}
		response, err := http.Get("http://" + tcp.Addr().String() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "ok\n" {
			t.Errorf("%s %v", body, err)
		}
		response.Body.Close()
		end(nil)
		if err := <-served; err != nil {
			t.Error(err)
		}
		if _, err := Ask(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
			t.Errorf("error %v, want ErrNotRunning", err)
		}
	}
}
