package helper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"net/http/httptest"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
	"lced-runner/jobapi"
)

// left is a job of which the server has a part of the log, and whose runner is gone.
type left struct {
	gitlab *coordinator.Server
	job    *jobapi.Job
	has    string // of the log
	Standby
}

// leave has a job taken and left.
func leave(t *testing.T) *left {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil)
	url := "http://" + listener.Listener.Addr().String()
	gitlab, err := coordinator.New(coordinator.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	const token = "glrt-SECRETsecretSECRET12"
	gitlab.AddRunner(coordinator.Runner{Token: token, RunUntagged: true})
	listener.Config.Handler = gitlab.Handler()
	listener.Start()
	t.Cleanup(listener.Close)
	spec := coordinator.JobSpec{}
	spec.Job.Script = []string{"true"}
	if _, err := gitlab.Enqueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	client, err := jobapi.New(jobapi.Options{URL: url, Token: token, SystemID: "r_abcdefghijkl", Info: jobapi.DefaultInfo("test", "test")})
	if err != nil {
		t.Fatal(err)
	}
	job, err := client.Request(t.Context(), jobapi.Ask{AtOnce: true})
	if err != nil || job == nil {
		t.Fatalf("job %v, error %v", job, err)
	}
	if _, err := client.UpdateJob(t.Context(), job.ID, job.Token, jobapi.Update{State: jobapi.StateRunning}); err != nil {
		t.Fatal(err)
	}
	l := &left{gitlab: gitlab, job: job, has: "what it has\n"}
	if r, err := client.PatchTrace(t.Context(), job.ID, job.Token, 0, []byte(l.has), false); err != nil || r.Outcome != jobapi.Stored {
		t.Fatalf("%+v, error %v", r, err)
	}
	l.Standby = Standby{
		GitLab: GitLab{URL: url, UserAgent: "test"}, JobID: job.ID, Token: job.Token, Reason: jobapi.ReasonRunnerSystemFailure,
		Size: int64(len(l.has)), CRC32: crc32.ChecksumIEEE([]byte(l.has)), Log: []byte("the rest\n"),
	}
	return l
}

// standBy has the jobs reported and returns the exit code, and what was said about it.
func standBy(t *testing.T, ctx context.Context, jobs ...*left) (code int, errors string) {
	t.Helper()
	var in, out, errw bytes.Buffer
	for _, l := range jobs {
		// Its secrets are masked everywhere but where they are to be sent.
		if err := json.NewEncoder(&in).Encode(l.Standby); err != nil {
			t.Fatal(err)
		}
	}
	code = StandBy(ctx, &in, &out, &errw)
	if out.String() != StandbyReady+"\n" {
		t.Errorf("it says %q", out.String())
	}
	return code, errw.String()
}

// ended checks that the server knows how the job ended, with this log.
func (l *left) ended(t *testing.T, log string) {
	t.Helper()
	j, _ := l.gitlab.Job(l.job.ID)
	if j.State != coordinator.StateFailed || j.FailureReason != "runner_system_failure" || string(l.gitlab.Trace(l.job.ID)) != log {
		t.Errorf("%s, %s, log %q, want %q", j.State, j.FailureReason, l.gitlab.Trace(l.job.ID), log)
	}
	if v := l.gitlab.Violations(); len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
}

// TestStandBy: whatever GitLab answers, it learns of the end in the end, with the whole log and its checksum.
func TestStandBy(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]coordinator.Fault{
		"at once": {},
		// The client itself asks five times.
		"away":                         {{Endpoint: coordinator.EndpointTrace, Cut: true}, {Endpoint: coordinator.EndpointFinal, Status: 503, Times: 6}},
		"answer lost":                  {{Endpoint: coordinator.EndpointTrace, Lose: true}, {Endpoint: coordinator.EndpointFinal, Lose: true}},
		"a proxy does not know it":     {{Endpoint: coordinator.EndpointFinal, Status: 404}},
		"the log is still being saved": {{Endpoint: coordinator.EndpointFinal, Status: 202}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := leave(t)
			for _, f := range faults {
				l.gitlab.Inject(f)
			}
			if code, errs := standBy(t, t.Context(), l); code != 0 {
				t.Errorf("exit code %d: %s", code, errs)
			}
			l.ended(t, l.has+"the rest\n")
		})
	}
}

// TestStandByOfManyJobs: one that GitLab has ended and one that it does not take keep nobody from it.
func TestStandByOfManyJobs(t *testing.T) {
	t.Parallel()
	canceled, stuck, other := leave(t), leave(t), leave(t)
	canceled.gitlab.ForceCancel(canceled.job.ID)
	stuck.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointFinal, Cut: true, Times: 1 << 30})
	ctx, stop := context.WithCancelCause(t.Context())
	go func() {
		_, _ = other.gitlab.Await(t.Context(), other.job.ID, func(j coordinator.Job, _ []byte) bool { return j.Ended() })
		stop(errors.New("a runner is back"))
	}()
	code, errs := standBy(t, ctx, stuck, canceled, other)
	if code != 1 || !strings.Contains(errs, "a runner is back") {
		t.Errorf("exit code %d, although a job was not reported: %s", code, errs)
	}
	other.ended(t, other.has+"the rest\n")
	if j, _ := canceled.gitlab.Job(canceled.job.ID); j.State != coordinator.StateCanceled {
		t.Errorf("the canceled job is %s", j.State)
	}
}

// TestStandByEndsInTime: a runner that comes back ends it before anything is told.
func TestStandByEndsInTime(t *testing.T) {
	t.Parallel()
	l := leave(t)
	l.After = longestReport
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("a runner is back"))
	if code, _ := standBy(t, ctx, l); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if j, _ := l.gitlab.Job(l.job.ID); j.State != coordinator.StateRunning {
		t.Errorf("the job is %s", j.State)
	}
	var out, errw bytes.Buffer
	if code := StandBy(t.Context(), strings.NewReader("{"), &out, &errw); code != ExitBadRequest || out.Len() > 0 {
		t.Errorf("half a request: exit code %d, %q", code, out.String())
	}
}
