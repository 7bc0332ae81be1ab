package jobapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

const (
	runnerToken = Secret("glrt-t1_RUNNERsecretsecret1")
	jobToken    = Secret("glcbt-64_JOBsecretsecret1")
)

// reply is what the fake server answers to one request.
type reply struct {
	status int
	header map[string]string
	body   string
	hold   time.Duration // before the answer, as a long poll does
	cut    bool          // close the connection after the body, before its announced end; with status 0 before any answer
}

// seen is one request as the fake server saw it.
type seen struct {
	at     time.Time
	method string
	uri    string
	host   string
	header http.Header
	body   string
}

// fakeGitLab answers requests with its replies in turn, the last one for ever.
type fakeGitLab struct {
	mu      sync.Mutex
	replies []reply
	seen    []seen
	conns   int
}

func (f *fakeGitLab) requests() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.seen...)
}

func (f *fakeGitLab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	n := len(f.seen)
	f.seen = append(f.seen, seen{time.Now(), r.Method, r.RequestURI, r.Host, r.Header, string(body)})
	answer := f.replies[min(n, len(f.replies)-1)]
	f.mu.Unlock()
	_ = sleep(r.Context(), answer.hold) // until the client goes away
	for key, value := range answer.header {
		w.Header().Set(key, value)
	}
	if answer.status == 0 {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	if answer.cut {
		w.Header().Set("Content-Length", "100000")
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

// pipeListener is a network in memory, so that synctest can tell when everybody waits.
type pipeListener struct {
	accept chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accept:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { return nil }

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

// start runs a fake server and a client for it. It must be called inside a synctest bubble.
func start(t *testing.T, options Options, replies ...reply) (*Client, *fakeGitLab) {
	t.Helper()
	fake := &fakeGitLab{replies: replies}
	listener := &pipeListener{accept: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: fake}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, remote := net.Pipe()
		select {
		case listener.accept <- remote:
			fake.mu.Lock()
			fake.conns++
			fake.mu.Unlock()
			return client, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if options.URL == "" {
		options.URL = "http://localhost" // never reached through a proxy of the environment
	}
	options.Token = runnerToken
	if options.SystemID == "" {
		options.SystemID = "r_0123456789ab"
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	options.Info = DefaultInfo("1.2.3", "abcdef")
	client, err := newClient(options, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(listener.closed)
		<-done
		_ = server.Close()
	})
	return client, fake
}

// fields decodes a JSON body for comparison.
func fields(t *testing.T, body string) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("body %q: %v", body, err)
	}
	return got
}
