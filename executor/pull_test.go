package executor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWrongClockOfAPull(t *testing.T) {
	t.Parallel()
	err := classify("example/image:1", errors.New("x509: certificate has expired or is not yet valid: current time 1970-01-01T00:00:09Z is before 2026-01-01T00:00:00Z"))
	if !strings.Contains(err.Error(), "the board's clock says") {
		t.Errorf("the sentence is %q", err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ImageErrorKind{
		"Get \"https://registry.example.com/v2/\": dial tcp 10.0.0.1:443: connect: no route to host": ImageUnreachable,
		"connection refused":                                                                ImageUnreachable,
		"read: connection reset by peer":                                                    ImageUnreachable,
		"lookup registry.example.com on 127.0.0.53:53: no such host":                        ImageUnreachable,
		"net/http: TLS handshake timeout":                                                   ImageUnreachable,
		"i/o timeout":                                                                       ImageUnreachable,
		"Client.Timeout exceeded while awaiting headers":                                    ImageUnreachable,
		"net/http: request canceled while waiting for connection":                           ImageUnreachable,
		"dial tcp: lookup x: not found":                                                     ImageUnreachable, // the first row of the table wins
		"manifest for alpine:nope not found: manifest unknown":                              ImageMissing,
		"pull access denied for x, repository does not exist or may require 'docker login'": ImageMissing,
		"unauthorized: authentication required":                                             ImageMissing,
		"denied: requested access to the resource is denied":                                ImageMissing,
		"no basic auth credentials":                                                         ImageMissing,
		"invalid reference format":                                                          ImageMissing,
		"toomanyrequests: You have reached your pull rate limit":                            ImageFailed,
		"no space left on device":                                                           ImageFailed,
		"no matching manifest for linux/arm64 in the manifest list":                         ImageFailed,
	} {
		got, ok := errors.AsType[*ImageError](classify("example/image:1", errors.New(text)))
		if !ok || got.Kind != want {
			t.Errorf("%s: kind %d, want %d", text, got.Kind, want)
		}
		if !strings.Contains(got.Error(), "example/image:1") || !strings.Contains(got.Error(), text) {
			t.Errorf("%s: the sentence is %q", text, got)
		}
	}
}

// registry is an engine whose pulls wait until they are told how to end.
type registry struct {
	*Engine
	begun    chan string // the image of each pull that begins
	finish   chan string // what the engine streams at the end of one
	gone     chan string // the image of each pull whose client hung up
	requests atomic.Int32
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{begun: make(chan string, 10), finish: make(chan string), gone: make(chan string, 10)}
	r.Engine = fakeEngine(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/images/create" {
			refuse(w, http.StatusNotFound, "no such image")
			return
		}
		r.requests.Add(1)
		fmt.Fprintln(w, `{"status":"Pulling from library/alpine"}`)
		_ = http.NewResponseController(w).Flush()
		r.begun <- req.URL.Query().Get("fromImage")
		select {
		case text := <-r.finish:
			fmt.Fprintln(w, text)
		case <-req.Context().Done():
			r.gone <- req.URL.Query().Get("fromImage")
		}
	})
	return r
}

// ask pulls in the background.
func (r *registry) ask(ctx context.Context, img Image) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := r.images.pulls.pull(ctx, r.docker, img)
		done <- err
	}()
	return done
}

// joined waits until n callers wait for the only running pull.
func (r *registry) joined(t *testing.T, n int) {
	t.Helper()
	for {
		r.images.pulls.mu.Lock()
		waiters := 0
		for _, one := range r.images.pulls.running {
			waiters += one.waiters
		}
		r.images.pulls.mu.Unlock()
		if waiters == n {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%d wait, want %d", waiters, n)
		case <-time.After(time.Millisecond):
		}
	}
}

const pullDone = `{"status":"Status: Downloaded newer image"}`

func TestPullIsShared(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	var waits []<-chan error
	for range 5 {
		waits = append(waits, r.ask(t.Context(), Image{Ref: "alpine:3"}))
	}
	r.joined(t, 5)
	r.finish <- pullDone
	for _, done := range waits {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := r.requests.Load(); n != 1 {
		t.Errorf("%d pulls at the engine, want one for all", n)
	}
	// A pull that has ended is not remembered.
	again := r.ask(t.Context(), Image{Ref: "alpine:3"})
	r.finish <- pullDone
	if err := <-again; err != nil || r.requests.Load() != 2 {
		t.Errorf("the next pull: %v, %d requests in all", err, r.requests.Load())
	}
}

func TestPullsThatDifferAreNotShared(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	var waits []<-chan error
	for _, img := range []Image{{Ref: "alpine:3"}, {Ref: "alpine:4"}, {Ref: "alpine:3", Platform: "linux/arm64"}, {Ref: "alpine:3", Auth: "e30="}} {
		waits = append(waits, r.ask(t.Context(), img))
	}
	for _, done := range waits {
		r.finish <- pullDone
		defer func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
	}
	if n := r.requests.Load(); n != 4 {
		t.Errorf("%d pulls at the engine, want 4", n)
	}
}

func TestPullOutlivesTheJobThatBeganIt(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	errCanceled := errors.New("canceled by a user")
	first, cancel := context.WithCancelCause(t.Context())
	one := r.ask(first, Image{Ref: "alpine:3"})
	<-r.begun
	two := r.ask(t.Context(), Image{Ref: "alpine:3"})
	r.joined(t, 2)
	cancel(errCanceled)
	if err := <-one; !errors.Is(err, errCanceled) {
		t.Errorf("the cancelled job: %v, want its own cause", err)
	}
	r.finish <- pullDone
	if err := <-two; err != nil {
		t.Errorf("the other job: %v", err)
	}
	if n := r.requests.Load(); n != 1 {
		t.Errorf("%d pulls at the engine, want 1", n)
	}
}

func TestLastWaiterEndsThePull(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	errCanceled := errors.New("canceled by a user")
	ctx, cancel := context.WithCancelCause(t.Context())
	waits := []<-chan error{r.ask(ctx, Image{Ref: "alpine:3"}), r.ask(ctx, Image{Ref: "alpine:3"})}
	<-r.begun
	r.joined(t, 2)
	cancel(errCanceled)
	for _, done := range waits {
		if err := <-done; !errors.Is(err, errCanceled) {
			t.Errorf("got %v, want the cause", err)
		}
	}
	<-r.gone // the engine was told
	// Who comes now gets a pull of its own, and not the other's end.
	next := r.ask(t.Context(), Image{Ref: "alpine:3"})
	<-r.begun
	r.finish <- pullDone
	if err := <-next; err != nil {
		t.Errorf("the next job: %v", err)
	}
}

// TestErrorInTheStream checks that a pull that the engine began with status 200 can fail.
func TestErrorInTheStream(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	done := r.ask(t.Context(), Image{Ref: "alpine:nope"})
	r.finish <- `{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}`
	err := <-done
	if img, ok := errors.AsType[*ImageError](err); !ok || img.Kind != ImageMissing || img.Image != "alpine:nope" {
		t.Errorf("got %v, want a missing image", err)
	}
}

// TestStalledPull: a registry that says nothing any more is given up, and the sentence says so; one that repeats itself says
// nothing either.
func TestStalledPull(t *testing.T) {
	t.Parallel()
	var pulls atomic.Int32
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		pulls.Add(1)
		flusher := http.NewResponseController(w)
		for r.Context().Err() == nil {
			fmt.Fprintln(w, `{"status":"Downloading","id":"f00","progressDetail":{"current":4096,"total":9000}}`)
			_ = flusher.Flush()
			time.Sleep(time.Millisecond)
		}
	})
	e.images.pulls.patience = patience{download: time.Second, unpack: time.Hour} // time enough for a first line
	_, err := e.images.pulls.pull(t.Context(), e.docker, Image{Ref: "example/image:1"})
	stalled, ok := errors.AsType[*ImageError](err)
	if !ok || stalled.Kind != ImageUnreachable {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"example/image:1", "the pull has stalled", "no progress for 1s", "f00 Downloading 4096 of 9000 bytes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the sentence %q lacks %q", err, want)
		}
	}
}

// TestPullOfAnEngineThatGoes: the end of the engine is not held against the registry.
func TestPullOfAnEngineThatGoes(t *testing.T) {
	t.Parallel()
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"status":"Pulling from library/al`)
		_ = http.NewResponseController(w).Flush()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	_, err := e.images.pulls.pull(t.Context(), e.docker, Image{Ref: "example/image:1"})
	err = e.blame(err)
	if _, ok := errors.AsType[*EngineError](err); !ok {
		t.Errorf("error %v", err)
	}
}
