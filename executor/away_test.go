package executor

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestAway(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		fmt.Errorf("read: %w", io.ErrUnexpectedEOF), fmt.Errorf("dial: %w", syscall.ECONNREFUSED), fmt.Errorf("write: %w", syscall.EPIPE), errSilent,
	} {
		if !away(err) {
			t.Errorf("%v is not taken for an engine that went away", err)
		}
	}
	for _, err := range []error{nil, errors.New("no such image"), &ImageError{Err: errors.New("unexpected EOF")}, &ExitError{Code: 137}} {
		if away(err) {
			t.Errorf("%v is taken for an engine that went away", err)
		}
	}
}

// TestHungEngineEndsAJob has an engine that stops answering while a script runs: the job ends, with the engine to blame.
func TestHungEngineEndsAJob(t *testing.T) {
	t.Parallel()
	var hung atomic.Bool
	over := make(chan struct{})
	e := fakeEngineWith(t, func(w http.ResponseWriter, r *http.Request) bool {
		if hung.Load() {
			<-over
		}
		return hung.Load()
	}, func(http.ResponseWriter, *http.Request) {
		hung.Store(true)
		<-over
	})
	t.Cleanup(func() { close(over) })
	e.patience = patience{ping: 10 * time.Millisecond, watch: time.Millisecond, hung: 10 * time.Millisecond}
	j := e.NewJob(&Plan{Build: Build{Container: Container{Image: Image{Ref: "x", Policies: []string{"never"}}}}},
		func(string, string) Section { return discard{} })
	err := j.Run(t.Context(), t.Context())
	if gone, ok := errors.AsType[*EngineError](err); !ok || !strings.Contains(gone.Error(), "did not answer") {
		t.Errorf("error %v", err)
	}
}

func TestLeakedEndpointIsRemoved(t *testing.T) {
	t.Parallel()
	var starts, disconnected atomic.Int32
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/start") && starts.Add(1) == 1:
			refuse(w, http.StatusForbidden, "endpoint with name runner-x-build already exists in network runner-n")
		case r.URL.Path == "/networks/runner-n/disconnect":
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"Container":"runner-x-build"`) && strings.Contains(string(body), `"Force":true`) {
				disconnected.Add(1)
			}
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	if err := e.containers.start(t.Context(), "id", "runner-x-build"); err != nil || disconnected.Load() != 1 || starts.Load() != 2 {
		t.Errorf("error %v, %d starts, %d endpoints removed", err, starts.Load(), disconnected.Load())
	}
	if _, leaked := leakedEndpoint(errors.New("endpoint with name other already exists in network n"), "mine"); leaked {
		t.Error("the endpoint of another container is taken for one's own")
	}
}

// TestStartErrors: what would fail again is the job's or the configuration's, all else is tried again.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`OCI runtime create failed: container_linux.go: exec: "sh": executable file not found in $PATH: unknown`:                  true,
		`error gathering device information while adding custom device "/dev/none": no such file or directory`:                    true,
		`failed to create shim task: write /run/containerd/x: no space left on device: unknown`:                                   false,
		`connection error: desc = "transport: dial unix /run/containerd/containerd.sock: connect: no such file or directory"`:     false,
		`driver failed programming external connectivity on endpoint x: iptables failed: Another app is holding the xtables lock`: false,
		`cannot allocate memory: unknown`: false,
	} {
		if got := hopeless(errors.New(text)); got != want {
			t.Errorf("hopeless(%s) is %v", text, got)
		}
	}
}

// TestPatiently has an engine that goes away under something that may be done again, once or time after time.
func TestPatiently(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		failures int
		err      error
		back     time.Duration
		calls    int
		blamed   bool
	}{
		{1, io.ErrUnexpectedEOF, 0, 2, false},
		{4, io.ErrUnexpectedEOF, time.Hour, 5, false},
		{99, io.ErrUnexpectedEOF, 0, prepareAttempts, true},
		{99, errors.New("no such image"), time.Hour, 1, false},
	} {
		t.Run(fmt.Sprint(test.failures, " ", test.err, " ", test.back), func(t *testing.T) {
			t.Parallel()
			e := fakeEngine(t, func(http.ResponseWriter, *http.Request) {})
			e.patience.back = test.back
			calls := 0
			_, err := patiently(t.Context(), e, func() (bool, error) {
				if calls++; calls > test.failures {
					return true, nil
				}
				return false, test.err
			})
			_, blamed := errors.AsType[*EngineError](err)
			if calls != test.calls || blamed != test.blamed || (err == nil) != (test.failures < test.calls) {
				t.Errorf("%d calls, then %v", calls, err)
			}
		})
	}
}

// TestEngineTime asks an engine whose clock is ten years behind when it was that something happened a minute ago.
func TestEngineTime(t *testing.T) {
	t.Parallel()
	behind := time.Now().AddDate(-10, 0, 0)
	e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"SystemTime":%q}`, behind.Format(time.RFC3339Nano))
	})
	got, err := onEngine(t.Context(), e.docker, time.Now().Add(-time.Minute))
	if off := got.Sub(behind); err != nil || off > -time.Minute || off < -30*time.Minute {
		t.Errorf("%v, %v, which is %v from the engine's time", got, err, off)
	}
}

// TestPingOfAnEngineOnItsWayOut: it takes no new connections, and still serves those that it has.
func TestPingOfAnEngineOnItsWayOut(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
	}))
	t.Cleanup(server.Close)
	e, err := Connect(t.Context(), Connection{Host: "tcp://" + strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if err := e.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	if err := e.Ping(t.Context()); err == nil {
		t.Error("an engine that stops is taken for one that works")
	}
}
