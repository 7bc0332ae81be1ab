package coordinator

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lced-runner/internal/ciyaml"
)

func TestJobFromRequestToEnd(t *testing.T) {
	t.Parallel()
	var live bytes.Buffer
	c := start(t, Options{Live: func(Job) io.Writer { return &live }})
	verified := c.json("POST", "/runners/verify", identity(nil))
	if want := `{"id":1,"token":"` + runnerToken + `","token_expires_at":null}`; strings.TrimSpace(string(verified.body)) != want {
		t.Errorf("verify answered %d %s", verified.status, verified.body)
	}
	job := c.lease(JobSpec{})
	out := job.patch(0, "hello ", nil)
	wantStatus(t, "first patch", out, http.StatusAccepted, StateRunning)
	wantEqual(t, "Range", "0-6", out.header.Get("Range"))
	wantEqual(t, "interval", "3", out.header.Get("X-GitLab-Trace-Update-Interval"))
	wantStatus(t, "second patch", job.patch(6, "world\n", nil), http.StatusAccepted, StateRunning)
	wantStatus(t, "keep-alive", job.put(StateRunning, nil), http.StatusOK, StateRunning)
	wantStatus(t, "final", job.put(StateFailed, map[string]any{"failure_reason": "script_failure", "exit_code": 3}), http.StatusOK, StateFailed)
	wantStatus(t, "final again", job.put(StateFailed, map[string]any{"failure_reason": "script_failure", "exit_code": 3}), http.StatusForbidden, StateFailed)

	record, _ := c.server.Job(job.id)
	if record.HandedOut.IsZero() || record.FirstTrace.Before(record.HandedOut) || record.Finished.Before(record.FirstTrace) {
		t.Errorf("times are out of order: %+v", record)
	}
	if record.State != StateFailed || record.FailureReason != "script_failure" || record.ExitCode != 3 || record.TraceSize != 12 ||
		record.Bytesize != 12 || record.RunnerID != 1 || record.SystemID != systemID {
		t.Errorf("record is %+v", record)
	}
	wantEqual(t, "trace", "hello world\n", string(c.server.Trace(job.id)))
	wantEqual(t, "live", "hello world\n", live.String())
	state, err := c.server.Wait(t.Context(), record.Pipeline)
	if state != StateFailed || err != nil {
		t.Errorf("pipeline is %s, %v", state, err)
	}
	c.wantViolations()
}

func TestRequestWithoutJob(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	first := c.json("POST", "/jobs/request", identity(nil))
	value := first.header.Get("X-GitLab-Last-Update")
	if first.status != http.StatusNoContent || value == "" {
		t.Fatalf("answered %d with X-GitLab-Last-Update %q", first.status, value)
	}
	same := c.json("POST", "/jobs/request", identity(map[string]any{"last_update": value}))
	wantEqual(t, "value of an unchanged queue", value, same.header.Get("X-GitLab-Last-Update"))
	if _, err := c.server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}}); err != nil {
		t.Fatal(err)
	}
	if taken := c.json("POST", "/jobs/request", identity(map[string]any{"last_update": value})); taken.status != http.StatusCreated {
		t.Errorf("after a job was queued: %d, want 201", taken.status)
	}
	unknown := c.json("POST", "/jobs/request", identity(map[string]any{"token": "glrt-other"}))
	wantStatus(t, "unknown token", unknown, http.StatusForbidden, "")
	c.wantViolations()
}

func TestTags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tags []string
		want bool
	}{
		"untagged": {nil, true}, "its own": {[]string{"lced"}, true}, "one more": {[]string{"lced", "gpu"}, false},
		"from a variable": {[]string{"$KIND"}, true}, "unknown variable": {[]string{"$OTHER"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			spec := JobSpec{
				Job:       ciyaml.Job{Script: []string{"x"}, Tags: c.tags},
				Variables: []Variable{{Key: "KIND", Value: "${PART}ed"}, {Key: "PART", Value: "lc"}},
			}
			if _, err := cl.server.Enqueue(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			if got := cl.json("POST", "/jobs/request", identity(nil)).status == http.StatusCreated; got != c.want {
				t.Errorf("runner with tag lced takes it: %v, want %v", got, c.want)
			}
		})
	}
}

func TestAnyTags(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.server.AddRunner(Runner{Token: runnerToken, AnyTags: true})
	c.lease(JobSpec{Job: ciyaml.Job{Tags: []string{"elsewhere"}}})
	c.lease(JobSpec{})
}

func TestTraceOffsets(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	job.patch(0, "0123456789", nil)
	behind := job.patch(4, "4567", nil)
	wantStatus(t, "patch behind", behind, http.StatusRequestedRangeNotSatisfiable, StateRunning)
	wantEqual(t, "Range", "0-10", behind.header.Get("Range"))
	wantEqual(t, "trace", "0123456789", string(c.server.Trace(job.id)))
	wantStatus(t, "patch realigned", job.patch(10, "ab", nil), http.StatusAccepted, StateRunning)
	c.wantViolations() // one mismatch is what a restarted runner does
	job.patch(0, "x", nil)
	job.patch(3, "x", nil)
	c.wantViolations("starts at 3 although the server said that it has 12 bytes")
}

func TestUnknownJobAndToken(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	stranger := &lease{client: c, id: job.id + 1, token: job.token}
	wantStatus(t, "PUT of an unknown job", stranger.put(StateRunning, nil), http.StatusNotFound, "")
	wantStatus(t, "PATCH of an unknown job", stranger.patch(0, "x", nil), http.StatusNotFound, "")
	c.wantViolations()
	thief := &lease{client: c, id: job.id, token: "glcbt-other"}
	wantStatus(t, "PUT with a wrong token", thief.put(StateRunning, nil), http.StatusForbidden, "")
	wantStatus(t, "PATCH with a wrong token", thief.patch(0, "x", nil), http.StatusForbidden, "")
	c.wantViolations("wrong job token", "wrong job token")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	c.server.Cancel(job.id)
	wantStatus(t, "keep-alive of a canceling job", job.put(StateRunning, nil), http.StatusOK, StateCanceling)
	wantStatus(t, "patch of a canceling job", job.patch(0, "after\n", nil), http.StatusAccepted, StateCanceling)
	wantStatus(t, "final", job.put(StateFailed, map[string]any{"failure_reason": "unknown_failure"}), http.StatusOK, StateCanceled)
	if record, _ := c.server.Job(job.id); record.State != StateCanceled {
		t.Errorf("state is %s, want canceled", record.State)
	}

	forced := c.lease(JobSpec{})
	c.server.Cancel(forced.id)
	c.server.ForceCancel(forced.id)
	wantStatus(t, "patch after force", forced.patch(0, "x", nil), http.StatusForbidden, StateCanceled)
	wantStatus(t, "final after force", forced.put(StateFailed, nil), http.StatusForbidden, StateCanceled)
	c.wantViolations()
	wantStatus(t, "patch although told", forced.patch(0, "x", nil), http.StatusForbidden, StateCanceled)
	c.wantViolations("although the runner was told that the job is canceled")
}

func TestCancelWithoutGrace(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id, err := c.server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.json("POST", "/jobs/request", identity(map[string]any{"info": map[string]any{"features": map[string]any{"cancelable": true}}}))
	c.server.Cancel(id)
	if record, _ := c.server.Job(id); record.State != StateCanceled {
		t.Errorf("state is %s, want canceled at once", record.State)
	}
}

func TestAllowedExitCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{3: StateSuccess, 4: StateFailed} {
		c := start(t, Options{})
		job := c.lease(JobSpec{Job: ciyaml.Job{AllowedExitCodes: []int{3}}})
		job.put(StateFailed, map[string]any{"failure_reason": "script_failure", "exit_code": code})
		record, _ := c.server.Job(job.id)
		if state, _ := c.server.Wait(t.Context(), record.Pipeline); state != want {
			t.Errorf("exit code %d: pipeline is %s, want %s", code, state, want)
		}
		c.wantViolations()
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for want, job := range map[time.Duration]Job{
			0:               {},
			time.Minute:     {HandedOut: now.Add(-time.Minute)},
			2 * time.Minute: {HandedOut: now.Add(-time.Hour), Finished: now.Add(-58 * time.Minute)},
		} {
			if got := job.Duration(); got != want {
				t.Errorf("duration is %s, want %s", got, want)
			}
		}
	})
}
