package coordinator

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lced-runner/internal/ciyaml"
)

func TestViolationsOfRequests(t *testing.T) {
	t.Parallel()
	info := func(change map[string]any) map[string]any {
		return identity(map[string]any{"info": change})
	}
	session := func(url, authorization string, advertised bool) map[string]any {
		return identity(map[string]any{
			"session": map[string]any{"url": url, "certificate": certificate(t), "authorization": authorization},
			"info":    map[string]any{"features": map[string]any{"session": advertised, "terminal": advertised}},
		})
	}
	for name, c := range map[string]struct {
		body map[string]any
		want string
	}{
		"no system_id":      {identity(map[string]any{"system_id": nil}), "field system_id is missing"},
		"odd system_id":     {identity(map[string]any{"system_id": "board"}), `system_id "board" has the wrong form`},
		"no info":           {identity(map[string]any{"info": nil}), "field info is missing"},
		"no features":       {info(map[string]any{"name": "x"}), "field info.features is missing"},
		"empty features":    {info(map[string]any{"features": map[string]any{}}), "info.features is empty"},
		"odd feature":       {info(map[string]any{"features": map[string]any{"masking": true, "maskin": true}}), "unknown field info.features.maskin"},
		"feature as string": {info(map[string]any{"features": map[string]any{"masking": "true"}}), "field info.features.masking is of the wrong type"},
		"odd field":         {identity(map[string]any{"lastUpdate": "x"}), "unknown field lastUpdate"},
		"no terminal":       {info(map[string]any{"features": map[string]any{"session": true, "terminal": true}}), "session given: false, features session: true, terminal: true"},
		"guessable session": {session("https://board:8093/session/1", "x", true), "session.authorization has 1 characters"},
		"session elsewhere": {session("http://board:8093/session/1", strings.Repeat("x", 20), true), "session.url \"http://board:8093/session/1\" is not the https URL"},
		"hidden session":    {session("https://board:8093/session/1", strings.Repeat("x", 20), false), "session given: true, features session: false"},
		"token as number":   {identity(map[string]any{"token": 5}), "field token is of the wrong type, want string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			cl.json("POST", "/jobs/request", c.body)
			cl.wantViolations("POST /jobs/request: " + c.want)
		})
	}
}

// certificate is some certificate, as PEM.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestViolationsOfForm(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	send := func(body, kind string) answer {
		t.Helper()
		out, err := c.send("POST", "/jobs/request", strings.NewReader(body), map[string]string{"Content-Type": kind, "Runner-Token": "glrt-other"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	good := fmt.Sprintf(`{"token":%q,"system_id":%q,"info":{"features":{"masking":true}}}`, runnerToken, systemID)
	send(good, "text/plain")
	send(good[1:], "application/json")
	send(good+"{}", "application/json")
	big := send(`{"token":"`+strings.Repeat("x", 33<<10)+`"}`, "application/json")
	wantStatus(t, "big body", big, http.StatusRequestEntityTooLarge, "")
	c.wantViolations(
		`Content-Type is "text/plain"`, "RUNNER-TOKEN header differ", "body is not a JSON object", "RUNNER-TOKEN header differ",
		"something follows", "RUNNER-TOKEN header differ", "more than 32 KiB",
	)
}

func TestViolationsOfPatches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		header map[string]string
		want   string
	}{
		"no range":       {"x", map[string]string{"Content-Range": ""}, `Content-Range is "", want`},
		"HTTP range":     {"x", map[string]string{"Content-Range": "bytes 0-0/1"}, `Content-Range is "bytes 0-0/1"`},
		"huge range":     {"x", map[string]string{"Content-Range": "0-99999999999999999999"}, "out of range"},
		"exclusive last": {"xyz", map[string]string{"Content-Range": "0-3"}, `Content-Range is "0-3" with a body of 3 bytes`},
		"content type":   {"x", map[string]string{"Content-Type": "application/json"}, "want text/plain"},
		"empty":          {"", nil, "empty"},
		"too large":      {strings.Repeat("x", 1<<20+1), nil, "more than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			cl.lease(JobSpec{}).patch(0, c.text, c.header)
			cl.wantViolations(c.want)
		})
	}
}

func TestViolationsOfUpdates(t *testing.T) {
	t.Parallel()
	output := func(size int, sum string) map[string]any {
		return map[string]any{"output": map[string]any{"bytesize": size, "checksum": sum}, "checksum": sum}
	}
	for name, c := range map[string]struct {
		state  string
		change map[string]any
		want   string
	}{
		"unknown state":         {"done", nil, `state is "done"`},
		"unknown reason":        {"failed", map[string]any{"failure_reason": "because"}, `failure_reason "because" is not one that the server listed`},
		"reason with success":   {"success", map[string]any{"failure_reason": "script_failure"}, `failure_reason "script_failure" with state success`},
		"exit code on success":  {"success", map[string]any{"exit_code": 1}, "exit_code 1 with state success"},
		"exit code as string":   {"failed", map[string]any{"exit_code": "1"}, "field exit_code is of the wrong type, want integer"},
		"wrong size":            {"success", output(4, "crc32:00000000"), "output.bytesize is 4, the log that arrived has 5"},
		"wrong checksum":        {"success", output(5, "crc32:00000000"), `output.checksum is "crc32:00000000", that of the log`},
		"keep-alive checksum":   {"running", output(5, "crc32:00000000"), `output.checksum is "crc32:00000000", that of the log`},
		"two checksums":         {"running", map[string]any{"checksum": "crc32:00000000"}, "differ"},
		"unknown field":         {"running", map[string]any{"status": "x"}, "unknown field status"},
		"output as a string":    {"running", map[string]any{"output": "x", "checksum": ""}, "field output is of the wrong type"},
		"unknown output field":  {"running", map[string]any{"output": map[string]any{"bytesize": 9, "checksum": "", "size": 1}, "checksum": ""}, "unknown field output.size"},
		"state as not a string": {"running", map[string]any{"info": "x"}, "field info is of the wrong type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			job := cl.lease(JobSpec{})
			job.patch(0, "hello", nil)
			job.put(c.state, c.change)
			got := cl.server.Violations()
			if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("violations are %q, want one with %q", got, c.want)
			}
		})
	}
}

func TestViolationsOfOrder(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id, err := c.server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	job := &lease{client: c, id: id, token: c.take()["token"].(string)}
	job.patch(0, "x", nil)
	job.put(StateSuccess, nil)
	c.wantViolations("before PUT running", "success before any PUT running was answered")
	job.put(StateFailed, nil)
	job.put(StateRunning, nil)
	job.patch(1, "y", nil)
	c.wantViolations("before PUT running", "before any PUT running", "final state again, with another content", "running after the final state", "after the final state")
}

func TestLeakedSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		leak bool
	}{
		"nothing": {"a [MASKED] b", false}, "runner token": {"x " + runnerToken, true},
		"masked variable": {"value is hunter2hunter2", true}, "short masked value": {"abc", false}, "plain variable": {"visible-value", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			job := cl.lease(JobSpec{Variables: []Variable{
				{Key: "P", Value: "hunter2hunter2", Masked: true}, {Key: "S", Value: "abc", Masked: true}, {Key: "V", Value: "visible-value"},
			}})
			job.patch(0, c.text, nil)
			job.put(StateSuccess, nil)
			if c.leak {
				cl.wantViolations("a token or masked value is readable in the log")
			} else {
				cl.wantViolations()
			}
			if strings.Contains(strings.Join(cl.server.Violations(), ""), "hunter2") {
				t.Error("the list of violations holds the secret")
			}
		})
	}
	cl := start(t, Options{})
	job := cl.lease(JobSpec{})
	job.patch(0, "token "+job.token, nil)
	job.put(StateSuccess, nil)
	cl.wantViolations("a token or masked value is readable in the log")
}

func TestSections(t *testing.T) {
	t.Parallel()
	begin := func(name string) string { return "section_start:100:" + name + "\r\x1b[0K" }
	end := func(name string) string { return "section_end:101:" + name + "\r\x1b[0K" }
	both := func(name string) string { return begin(name) + "text\n" + end(name) }
	for name, c := range map[string]struct{ log, want string }{
		"none":     {"text", ""},
		"in order": {both("prepare_executor") + both("get_sources") + both("step_script") + both("after_script"), ""},
		"every stage": {
			both("resolve_secrets") + both("prepare_executor") + both("prepare_script") + both("get_sources") + both("restore_cache") +
				both("download_artifacts") + both("step_script") + both("step_release") + both("after_script") + both("archive_cache") +
				both("upload_artifacts_on_success") + both("cleanup_file_variables"), "",
		},
		"repeated attempts":     {both("get_sources") + both("clear_worktree") + both("get_sources"), ""},
		"options":               {"section_start:1:step_script[collapsed=true]\r\x1b[0K" + end("step_script"), ""},
		"of the user":           {begin("step_script") + begin("mine") + end("other") + end("step_script"), ""},
		"cut at the limit":      {begin("step_script") + "\nJob's log exceeded limit of 10 bytes.\n", ""},
		"no end":                {begin("step_script"), "section step_script has no end"},
		"no start":              {end("step_script"), `section step_script ends, but the open one is ""`},
		"nested":                {begin("step_script") + both("after_script"), "section after_script starts inside of step_script"},
		"out of order":          {both("step_script") + both("get_sources"), "section get_sources is out of order"},
		"malformed":             {"section_start:1:step_script\n" + end("step_script"), "lacks CR ESC [0K"},
		"ends before it starts": {"section_start:100:step_script\r\x1b[0Ksection_end:99:step_script\r\x1b[0K", "ends before it starts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(checkSections([]byte(c.log)), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("complaints are %q, want %q", got, c.want)
			}
		})
	}
}

// direct calls a handler without a network, for tests whose clock is not the real one.
func direct(t *testing.T, s *Server, body map[string]any) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v4/jobs/request", bytes.NewReader(mustJSON(t, body)))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, request)
	return recorder
}

func bubbleServer(t *testing.T, options Options) *Server {
	t.Helper()
	options.URL = "http://server"
	server, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	server.AddRunner(Runner{Token: runnerToken, RunUntagged: true})
	return server
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := bubbleServer(t, Options{})
		id, err := server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}})
		if err != nil {
			t.Fatal(err)
		}
		direct(t, server, identity(nil))
		time.Sleep(2 * time.Minute)
		if got := server.Violations(); len(got) != 0 {
			t.Errorf("after two minutes: %q", got)
		}
		time.Sleep(time.Minute)
		for range 2 {
			if got := server.Violations(); len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("job %d: no call for 3m0s", id)) {
				t.Errorf("after three minutes: %q", got)
			}
		}
	})
}

func TestBusyLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := bubbleServer(t, Options{PollInterval: 3 * time.Second})
		for range 50 {
			direct(t, server, identity(nil))
			time.Sleep(300 * time.Millisecond)
		}
		if got := server.Violations(); len(got) != 0 {
			t.Errorf("ten times per interval: %q", got)
		}
		for range 20 {
			direct(t, server, identity(nil))
		}
		if got := server.Violations(); len(got) != 1 || !strings.Contains(got[0], "although there was no job") {
			t.Errorf("in a loop: %q, want one violation", got)
		}
	})
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := bubbleServer(t, Options{LongPoll: 50 * time.Second})
		value := direct(t, server, identity(nil)).Header().Get("X-GitLab-Last-Update")
		asked := time.Now()
		held := direct(t, server, identity(map[string]any{"last_update": value}))
		if waited := time.Since(asked); waited != 50*time.Second {
			t.Errorf("held for %s, want 50s", waited)
		}
		if held.Code != http.StatusNoContent || held.Header().Get("Gitlab-Ci-Builds-Polling") != "yes" || held.Header().Get("X-GitLab-Last-Update") != "" {
			t.Errorf("held request answered %d %v", held.Code, held.Header())
		}
		answers := make(chan *httptest.ResponseRecorder)
		go func() { answers <- direct(t, server, identity(map[string]any{"last_update": value})) }()
		synctest.Wait()
		asked = time.Now()
		if _, err := server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}}}); err != nil {
			t.Fatal(err)
		}
		if got := <-answers; got.Code != http.StatusNoContent || time.Since(asked) != 0 {
			t.Errorf("a queued job answers the held request with %d after %s, want 204 at once", got.Code, time.Since(asked))
		}
		if got := direct(t, server, identity(map[string]any{"last_update": value})); got.Code != http.StatusCreated {
			t.Errorf("next request answered %d, want 201", got.Code)
		}
	})
}
