package coordinator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lced-runner/internal/ciyaml"
)

func TestFinalUpdateRepeated(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	c.server.Inject(Fault{Endpoint: EndpointFinal, Status: http.StatusAccepted, Times: 2, Header: http.Header{"X-GitLab-Trace-Update-Interval": {"1"}}})
	wantStatus(t, "keep-alive is not hit", job.put(StateRunning, nil), http.StatusOK, StateRunning)
	for range 2 {
		out := job.put(StateSuccess, nil)
		wantStatus(t, "final", out, http.StatusAccepted, "")
		wantEqual(t, "interval", "1", out.header.Get("X-GitLab-Trace-Update-Interval"))
	}
	wantStatus(t, "final", job.put(StateSuccess, nil), http.StatusOK, StateSuccess)
	c.wantViolations()
}

func TestLostTrace(t *testing.T) {
	t.Parallel()
	var live bytes.Buffer
	c := start(t, Options{Live: func(Job) io.Writer { return &live }})
	job := c.lease(JobSpec{})
	job.patch(0, "0123456789", nil)
	c.server.Inject(Fault{Endpoint: EndpointTrace, Status: 416, Truncate: true, Keep: 7})
	out := job.patch(10, "ab", nil)
	wantStatus(t, "patch", out, http.StatusRequestedRangeNotSatisfiable, "")
	wantEqual(t, "Range", "0-7", out.header.Get("Range"))
	wantStatus(t, "realigned", job.patch(7, "789ab", nil), http.StatusAccepted, StateRunning)
	wantEqual(t, "trace", "0123456789ab", string(c.server.Trace(job.id)))

	c.server.Inject(Fault{Endpoint: EndpointFinal, Status: http.StatusPreconditionFailed, Truncate: true})
	wantStatus(t, "final", job.put(StateSuccess, nil), http.StatusPreconditionFailed, "")
	wantEqual(t, "trace after 412", "", string(c.server.Trace(job.id)))
	job.patch(0, "0123456789ab", nil)
	wantStatus(t, "final", job.put(StateSuccess, nil), http.StatusOK, StateSuccess)
	wantEqual(t, "live", "0123456789ab", live.String())
	c.wantViolations()
}

// TestRefusedRunning lets the first update fail: the contract lets the runner go on, but not end before one was answered.
func TestRefusedRunning(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id, err := c.server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	job := &lease{client: c, id: id, token: c.take()["token"].(string)}
	c.server.Inject(Fault{Endpoint: EndpointUpdate, Status: http.StatusServiceUnavailable})
	wantStatus(t, "running", job.put(StateRunning, nil), http.StatusServiceUnavailable, "")
	wantStatus(t, "patch", job.patch(0, "x", nil), http.StatusAccepted, StateRunning)
	c.wantViolations()
	job.put(StateSuccess, nil)
	c.wantViolations("success before any PUT running was answered")
}

func TestFaultsOfOtherJobs(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	c.server.Inject(Fault{Endpoint: EndpointTrace, Job: job.id + 1, Status: 500})
	wantStatus(t, "patch", job.patch(0, "x", nil), http.StatusAccepted, StateRunning)
}

func TestCutConnection(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	header := map[string]string{"Content-Type": "text/plain", "Job-Token": job.token, "Content-Range": "0-0"}
	c.server.Inject(Fault{Endpoint: EndpointTrace, Cut: true})
	c.server.Inject(Fault{Endpoint: EndpointTrace, Lose: true, Times: 2})
	for _, want := range []string{"", "x", "x"} {
		if out, err := c.send("PATCH", "/jobs/1/trace?debug_trace=false", strings.NewReader("x"), header); err == nil {
			t.Errorf("answered %d, want a cut connection", out.status)
		}
		wantEqual(t, "trace", want, string(c.server.Trace(job.id)))
	}
	// Nothing that was lost tells the runner that its log arrived, so it is right to send it again.
	wantStatus(t, "patch", job.patch(0, "x", nil), http.StatusRequestedRangeNotSatisfiable, StateRunning)
	c.wantViolations()
}

func TestDelayedRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := bubbleServer(t, Options{})
		server.Inject(Fault{Endpoint: EndpointRequest, Delay: time.Minute, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}})
		asked := time.Now()
		out := direct(t, server, identity(nil))
		if out.Code != http.StatusTooManyRequests || out.Header().Get("Retry-After") != "2" || time.Since(asked) != time.Minute {
			t.Errorf("answered %d after %s", out.Code, time.Since(asked))
		}
		server.Inject(Fault{Endpoint: EndpointRequest, Hold: time.Minute})
		asked = time.Now()
		if out := direct(t, server, identity(nil)); out.Code != http.StatusNoContent || time.Since(asked) != time.Minute {
			t.Errorf("answered %d after %s", out.Code, time.Since(asked))
		}
	})
}

func TestNewRefusesURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "server:80", "ftp://server", "http://", "http://%zz"} {
		if _, err := New(Options{URL: url}); err == nil {
			t.Errorf("URL %q is accepted", url)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	job := c.lease(JobSpec{})
	record, _ := c.server.Job(job.id)
	reason := errors.New("enough")
	ctx, cancel := withCancel(t)
	cancel(reason)
	if _, err := c.server.Wait(ctx, record.Pipeline); !errors.Is(err, reason) {
		t.Errorf("Wait: %v", err)
	}
	if _, err := c.server.Await(ctx, job.id, func(j Job, _ []byte) bool { return j.Ended() }); !errors.Is(err, reason) {
		t.Errorf("Await: %v", err)
	}
	if _, err := c.server.Wait(t.Context(), 99); err == nil {
		t.Error("Wait for an unknown pipeline gives no error")
	}
	if _, err := c.server.Await(t.Context(), 99, nil); err == nil {
		t.Error("Await for an unknown job gives no error")
	}
	job.patch(0, "ready\n", nil)
	if _, err := c.server.Await(t.Context(), job.id, func(_ Job, log []byte) bool { return strings.Contains(string(log), "ready") }); err != nil {
		t.Error(err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Options{URL: "http://" + listener.Addr().String(), LongPoll: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	server.AddRunner(Runner{Token: runnerToken})
	ctx, cancel := withCancel(t)
	served := make(chan error)
	go func() { served <- server.Serve(ctx, listener) }()
	c := &client{t: t, server: server, url: "http://" + listener.Addr().String(), http: &http.Client{}}
	value := c.json("POST", "/jobs/request", identity(nil)).header.Get("X-GitLab-Last-Update")
	held := make(chan error)
	go func() {
		body := bytes.NewReader(mustJSON(t, identity(map[string]any{"last_update": value})))
		_, err := c.send("POST", "/jobs/request", body, map[string]string{"Content-Type": "application/json"})
		held <- err
	}()
	cancel(context.Canceled)
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-held; err == nil {
		t.Error("a held request is answered after the end")
	}
}

func TestListedReasons(t *testing.T) {
	t.Parallel()
	for reason, listed := range map[string]bool{"image_pull_failure": true, "runner_interrupted": false, "script_failure": true} {
		c := start(t, Options{})
		job := c.lease(JobSpec{Patch: func(payload map[string]any) {
			payload["features"].(map[string]any)["failure_reasons"] = []any{"image_pull_failure"}
		}})
		job.put(StateFailed, map[string]any{"failure_reason": reason})
		if got := len(c.server.Violations()) == 0; got != listed {
			t.Errorf("%s is accepted: %v, want %v", reason, got, listed)
		}
	}
}

func TestUnheardJob(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id, err := c.server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.server.Inject(Fault{Endpoint: EndpointRequest, Lose: true})
	header := map[string]string{"Content-Type": "application/json"}
	if out, err := c.send("POST", "/jobs/request", bytes.NewReader(mustJSON(t, identity(nil))), header); err == nil {
		t.Errorf("answered %d, want a cut connection", out.status)
	}
	if job, _ := c.server.Job(id); job.State != StateRunning || !job.Unheard {
		t.Errorf("the job is %s, unheard %v", job.State, job.Unheard)
	}
	other := c.lease(JobSpec{})
	if job, _ := c.server.Job(other.id); job.Unheard {
		t.Error("a job of which the runner heard is unheard")
	}
	c.wantViolations()
}
