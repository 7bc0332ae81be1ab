package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/ciyaml"
)

const (
	runnerToken = "glrt-SECRETsecretSECRET12"
	systemID    = "r_abcdefghijkl"
)

// client is a runner's side of the protocol, as small as a test needs it.
type client struct {
	t      *testing.T
	server *Server
	url    string
	http   *http.Client
}

// start serves a new coordinator with one runner below /gitlab over real HTTP.
func start(t *testing.T, options Options) *client {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil)
	options.URL = "http://" + listener.Listener.Addr().String() + "/gitlab"
	server, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	server.AddRunner(Runner{Token: runnerToken, Tags: []string{"lced"}, RunUntagged: true, Description: "board"})
	listener.Config.Handler = server.Handler()
	listener.Start()
	t.Cleanup(listener.Close)
	return &client{t: t, server: server, url: options.URL, http: listener.Client()}
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (c *client) send(method, path string, body io.Reader, header map[string]string) (answer, error) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/api/v4"+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: text}, err
}

func (c *client) json(method, path string, body map[string]any) answer {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.send(method, path, bytes.NewReader(text), map[string]string{"Content-Type": "application/json"})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func identity(change map[string]any) map[string]any {
	out := map[string]any{
		"token": runnerToken, "system_id": systemID,
		"info": map[string]any{"name": "lced-runner", "features": map[string]any{"cancel_gracefully": true, "return_exit_code": true, "upload_multiple_artifacts": true, "artifacts_exclude": true}},
	}
	for key, value := range change {
		out[key] = value
		if value == nil {
			delete(out, key)
		}
	}
	return out
}

// take asks once for a job and fails the test if there is none.
func (c *client) take() map[string]any {
	c.t.Helper()
	out := c.json("POST", "/jobs/request", identity(nil))
	if out.status != http.StatusCreated {
		c.t.Fatalf("job request answered %d, want 201", out.status)
	}
	payload := map[string]any{}
	if err := json.Unmarshal(out.body, &payload); err != nil {
		c.t.Fatal(err)
	}
	return payload
}

// lease is a job that the client runs.
type lease struct {
	*client
	id    int64
	token string
	log   []byte
}

// lease enqueues a job, takes it and reports it as running.
func (c *client) lease(spec JobSpec) *lease {
	c.t.Helper()
	if spec.Job.Script == nil {
		spec.Job.Script = []string{"true"}
	}
	id, err := c.server.Enqueue(c.t.Context(), spec)
	if err != nil {
		c.t.Fatal(err)
	}
	payload := c.take()
	l := &lease{client: c, id: id, token: payload["token"].(string)}
	if got := int64(payload["id"].(float64)); got != id {
		c.t.Fatalf("took job %d, want %d", got, id)
	}
	if out := l.put(StateRunning, nil); out.status != http.StatusOK {
		c.t.Fatalf("PUT running answered %d", out.status)
	}
	return l
}

func (l *lease) put(state string, change map[string]any) answer {
	l.t.Helper()
	sum := fmt.Sprintf("crc32:%08x", crc32.ChecksumIEEE(l.log))
	body := map[string]any{
		"token": l.token, "state": state, "checksum": sum,
		"output": map[string]any{"bytesize": len(l.log), "checksum": sum},
	}
	for key, value := range change {
		body[key] = value
	}
	return l.json("PUT", fmt.Sprintf("/jobs/%d", l.id), body)
}

// patch sends text as the log from first on, with header changes; "" removes one.
func (l *lease) patch(first int, text string, change map[string]string) answer {
	l.t.Helper()
	header := map[string]string{
		"Content-Type": "text/plain", "Job-Token": l.token, "Content-Range": fmt.Sprintf("%d-%d", first, first+len(text)-1),
	}
	for name, value := range change {
		header[name] = value
	}
	out, err := l.send("PATCH", fmt.Sprintf("/jobs/%d/trace?debug_trace=false", l.id), strings.NewReader(text), header)
	if err != nil {
		l.t.Fatal(err)
	}
	if out.status == http.StatusAccepted {
		l.log = append(l.log[:first:first], text...)
	}
	return out
}

func (c *client) wantViolations(want ...string) {
	c.t.Helper()
	got := c.server.Violations()
	if len(got) != len(want) {
		c.t.Errorf("violations are %q, want %d like %q", got, len(want), want)
		return
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			c.t.Errorf("violation %d is %q, want one with %q", i, got[i], want[i])
		}
	}
}

func wantStatus(t *testing.T, what string, got answer, status int, jobStatus string) {
	t.Helper()
	if got.status != status || got.header.Get("Job-Status") != jobStatus {
		t.Errorf("%s: %d with Job-Status %q, want %d with %q", what, got.status, got.header.Get("Job-Status"), status, jobStatus)
	}
}

func wantEqual(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// parse reads a pipeline file.
func parse(t *testing.T, text string) *ciyaml.Pipeline {
	t.Helper()
	pipeline, err := ciyaml.Parse([]byte(text), "ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline
}

// runGit runs git with a fixed identity and fails the test if git does.
func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	text, err := tryGit(t.Context(), dir, args...)
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, text)
	}
	return strings.TrimSpace(text)
}

func tryGit(ctx context.Context, dir string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = dir
	command.Env = append(command.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.net", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.net")
	text, err := command.CombinedOutput()
	return string(text), err
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func withCancel(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}
