package jobapi

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRequestReplies(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply     reply
		job       int64 // 0: none
		err       string
		unhealthy bool
	}{
		"a job":              {reply: reply{status: 201, body: `{"id": 5, "token": "t"}`}, job: 5},
		"none":               {reply: reply{status: 204}},
		"held, then none":    {reply: reply{status: 204, header: map[string]string{"Gitlab-Ci-Builds-Polling": "yes"}}},
		"lost a race":        {reply: reply{status: 409}},
		"token dead":         {reply: reply{status: 403, body: `{"message":"403 Forbidden"}`}, err: "gitlab answered 403 Forbidden: the runner token", unhealthy: true},
		"orphaned":           {reply: reply{status: 422, body: `{"message":{"runner":["is orphaned"]}}`}, err: "is orphaned"},
		"limited":            {reply: reply{status: 429, body: `{"error":"slow down"}`}, err: "slow down"},
		"too large":          {reply: reply{status: 413}, err: "413"},
		"server fault":       {reply: reply{status: 500, body: "oops"}, err: "500 Internal Server Error: oops"},
		"not implemented":    {reply: reply{status: 501}, err: "501"},
		"no answer":          {reply: reply{}, err: "ask for a job"},
		"unexpected success": {reply: reply{status: 200, body: "<html>captive portal</html>"}, err: "200"},
		"redirect":           {reply: reply{status: 308, header: map[string]string{"Location": "https://new.example.com/x"}}, err: "it redirects to https://new.example.com/x"},
		"bad job":            {reply: reply{status: 201, body: `{"id": 5, "token": "t", "steps": 1}`}, err: "assigned job 5"},
		"a job without end":  {reply: reply{status: 201, body: `{"id": 5, "token": "t", "steps": ` + strings.Repeat(" ", maxAnswer)}, err: "gitlab assigned job 5 but its payload cannot be read: read the answer: it is longer than 32 MiB"},
		"words without end":  {reply: reply{status: 200, body: strings.Repeat("-", maxAnswer)}, err: "longer than 32 MiB"},
		"not a job":          {reply: reply{status: 201, body: `hello`}, err: "payload cannot be read"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, _ := start(t, Options{}, test.reply)
				job, err := client.Request(t.Context(), Ask{})
				if test.err == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q in it", err, test.err)
				}
				if test.job == 0 != (job == nil) || job != nil && job.ID != test.job {
					t.Errorf("job %v", job)
				}
				if Unhealthy(err) != test.unhealthy {
					t.Errorf("unhealthy %v for %v", !test.unhealthy, err)
				}
				if errors.Is(err, ErrOrphaned) != (test.reply.status == 422) {
					t.Errorf("orphaned: %v", err)
				}
			})
		})
	}
}

// Checklist 10: an answer without X-GitLab-Last-Update keeps the old value; any status may bring a new one.
func TestRequestLastUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		update := func(value string) map[string]string { return map[string]string{"X-GitLab-Last-Update": value} }
		client, fake := start(t, Options{},
			reply{status: 204, header: update("one")},
			reply{status: 204},
			reply{status: 201, body: `{"id": 5, "token": "t"}`},
			reply{status: 204, header: update("")},
			reply{status: 409, header: update("two")},
			reply{status: 204})
		var sent []any
		for range 6 {
			if _, err := client.Request(t.Context(), Ask{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range fake.requests() {
			sent = append(sent, fields(t, r.body)["last_update"])
		}
		if diff := cmp.Diff([]any{nil, "one", "one", "one", "one", "two"}, sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{URL: "http://localhost/sub/path/"}, reply{status: 204})
		for range 2 {
			if _, err := client.Request(t.Context(), Ask{}); err != nil {
				t.Fatal(err)
			}
		}
		r := fake.requests()[0]
		if line := r.method + " " + r.uri; line != "POST /sub/path/api/v4/jobs/request" {
			t.Error(line)
		}
		got := map[string]string{}
		for _, name := range []string{"Runner-Token", "Content-Type", "Accept", "Private-Token", "User-Agent"} {
			got[name] = r.header.Get(name)
		}
		info := DefaultInfo("1.2.3", "abcdef")
		want := map[string]string{
			"Runner-Token": runnerToken.Reveal(), "Content-Type": "application/json", "Accept": "application/json",
			"Private-Token": "", "User-Agent": "lced-runner 1.2.3 (abcdef; " + info.Platform + "/" + info.Architecture + ")",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		body := fields(t, r.body)
		delete(body, "info")
		if diff := cmp.Diff(map[string]any{"token": runnerToken.Reveal(), "system_id": "r_0123456789ab"}, body); diff != "" {
			t.Error(diff)
		}
		first, second := r.header.Get("X-Request-Id"), fake.requests()[1].header.Get("X-Request-Id")
		if len(first) != 32 || first == second {
			t.Errorf("request ids %q and %q", first, second)
		}
	})
}

// What can be read of a bad payload serves to report the job as failed; a payload cut off on the way is one, too.
func TestRequestBadPayload(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply reply
		id    int64
		token Secret
	}{
		"wrong type":  {reply{status: 201, body: `{"id": 5, "token": "t", "variables": "x"}`}, 5, "t"},
		"token later": {reply{status: 201, body: `{"variables": "x", "id": 5, "token": "t"}`}, 5, "t"},
		"broken":      {reply{status: 201, body: `{"id": 5, "token": "t", "variables": [`}, 5, "t"},
		"cut off":     {reply{status: 201, body: `{"id": 5, "token": "t", "variables": [`, cut: true}, 5, "t"},
		"no token":    {reply{status: 201, body: `{"id": 5}`}, 5, ""},
		"odd id":      {reply{status: 201, body: `{"id": {}, "token": "t"}`}, 0, "t"},
		"a list":      {reply{status: 201, body: `[1, 2]`}, 0, ""},
		"empty":       {reply{status: 201}, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, _ := start(t, Options{}, test.reply)
				_, err := client.Request(t.Context(), Ask{})
				bad, ok := errors.AsType[*BadPayloadError](err)
				if !ok {
					t.Fatalf("error %v", err)
				}
				if bad.ID != test.id || bad.Token != test.token {
					t.Errorf("job %d with token %q", bad.ID, bad.Token.Reveal())
				}
				if Unhealthy(err) {
					t.Error("counts as unhealthy")
				}
			})
		})
	}
}

// A long poll that the server holds is no fault.
func TestRequestHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := start(t, Options{}, reply{status: 204, hold: 2 * time.Minute})
		if job, err := client.Request(t.Context(), Ask{}); job != nil || err != nil {
			t.Error(job, err)
		}
	})
}

// A held poll and a back-off both end with their context at once, and say why.
func TestRequestEndsWithContext(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]reply{
		"held":     {status: 204, hold: time.Minute},
		"back-off": {status: 429, header: map[string]string{"Retry-After": "600"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stop := errors.New("drain")
				client, fake := start(t, Options{}, slow)
				ctx, cancel := context.WithCancelCause(t.Context())
				begin := time.Now()
				time.AfterFunc(30*time.Second, func() { cancel(stop) })
				if _, err := client.Request(ctx, Ask{}); !errors.Is(err, stop) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(begin); took != 30*time.Second {
					t.Errorf("took %v", took)
				}
				if n := len(fake.requests()); n != 1 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// Checklist 11: a refused token counts as unhealthy, a GitLab that is not there does not.
func TestRequestWithoutServer(t *testing.T) {
	t.Parallel()
	client, err := newClient(Options{URL: "http://localhost", Token: runnerToken}, func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Request(t.Context(), Ask{})
	if Unhealthy(err) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v", err)
	}
	if want := `ask for a job: Post "http://localhost/api/v4/jobs/request": dial tcp: connection refused`; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

// A request that must not be held says nothing of what is known of the queue, which later ones do again.
func TestRequestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 204, header: map[string]string{"X-GitLab-Last-Update": "abc"}})
		for _, ask := range []Ask{{}, {AtOnce: true}, {}} {
			if _, err := client.Request(t.Context(), ask); err != nil {
				t.Fatal(err)
			}
		}
		var said []any
		for _, r := range fake.requests() {
			said = append(said, fields(t, r.body)["last_update"])
		}
		if diff := cmp.Diff([]any{nil, nil, "abc"}, said); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRequestOverTLS: the job knows the request that brought it, and the certificates of who sent it.
func TestRequestOverTLS(t *testing.T) {
	t.Parallel()
	var id string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id = r.Header.Get("X-Request-Id")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id": 7, "token": "glcbt-1"}`)
	}))
	defer server.Close()
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, own, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := New(Options{URL: server.URL, Token: "glrt-1", TLSCAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	job, err := client.Request(t.Context(), Ask{})
	if err != nil {
		t.Fatal(err)
	}
	if job.RequestID == "" || job.RequestID != id {
		t.Errorf("request %q, want %q", job.RequestID, id)
	}
	if string(job.ServerChain) != string(own) {
		t.Errorf("chain:\n%s, want\n%s", job.ServerChain, own)
	}
}
