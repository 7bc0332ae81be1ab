package e2e

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lced-runner/internal/coordinator"
)

// counted stands before the engine and counts what is asked of it, by method and path without ids and names.
type counted struct {
	socket string

	mu    sync.Mutex
	calls map[string]int
}

func newCounted(t *testing.T) *counted {
	t.Helper()
	c := &counted{socket: filepath.Join(t.TempDir(), "engine.sock"), calls: map[string]int{}}
	listener, err := net.Listen("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", "/var/run/docker.sock")
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.note(r)
		proxy.ServeHTTP(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return c
}

// things are what the engine's API has several of, each followed by an id or a name.
var things = regexp.MustCompile(`^(/v[0-9.]+)?/(containers|networks|volumes|images|exec)/([^/]+|[^/]+/[^/]+)(/[a-z]+)?$`)

func (c *counted) note(r *http.Request) {
	path := r.URL.Path
	if m := things.FindStringSubmatch(path); m != nil && m[3] != "json" && m[3] != "create" {
		path = "/" + m[2] + "/x" + m[4]
	}
	if strings.HasSuffix(path, "/_ping") {
		return // whoever waits for a job asks for it, too
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[r.Method+" "+regexp.MustCompile(`^/v[0-9.]+`).ReplaceAllString(path, "")]++
}

// take gives what was counted since the last call.
func (c *counted) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = map[string]int{}
	return calls
}

// TestCounts holds what the kinds of job cost the engine and GitLab: figures that, other than times, are the same on every machine.
func TestCounts(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	engine := newCounted(t)
	var requests atomic.Int64 // about jobs, but for the pieces of their logs, whose number depends on how long a job takes
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if regexp.MustCompile(`/jobs/\d+`).MatchString(r.URL.Path) && r.Method != http.MethodPatch {
			requests.Add(1)
		}
		w.gitlab.Handler().ServeHTTP(rw, r)
	}))
	url := "http://" + w.listenTo(api)
	api.Start()
	t.Cleanup(api.Close)
	t.Cleanup(w.drain)
	w.writeConfig(fmt.Sprintf("concurrent = 1\nlog_level = \"debug\"\n[[runners]]\n  name = \"counts\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  [runners.docker]\n    host = \"unix://%s\"%s", url, w.token, engine.socket, plainConfig))
	w.startRunner()
	none := func(spec coordinator.JobSpec) coordinator.JobSpec { return with(spec, "GIT_STRATEGY=none") }
	w.run(none(job("true"))) // which waits for the facts of the host
	w.run(job("true"))       // whose helper is kept
	w.awaitKeptHelpers(1)
	w.awaitNetworks(2)
	engine.take()
	for i, kind := range []struct {
		name     string
		spec     coordinator.JobSpec
		creates  int // containers
		starts   int
		calls    int // of the engine, all of them
		requests int // to GitLab about the job: it runs, and how it ended
	}{
		{"plain", none(job("true")), 1, 1, 12, 2},
		{"with git", job("true"), 1, 1, 25, 2},
		{"of another ref", with(job("true"), "A=b"), 1, 1, 25, 2},
		{"clone", with(job("true"), "GIT_STRATEGY=clone"), 2, 2, 25, 2},
		{"after_script", none(after(job("true"), "true")), 1, 2, 15, 2},
		{"dind", none(dockerJob("docker:latest", nil, "docker version")), 3, 2, 27, 2},
	} {
		requests.Store(0)
		if j, log := w.run(kind.spec); j.State != coordinator.StateSuccess {
			t.Fatalf("%s: %s\n%s", kind.name, j.State, log)
		}
		asked := int(requests.Load())
		w.awaitKeptHelpers(1)
		w.awaitNetworks(3 + i)
		calls := engine.take()
		all := 0
		var lines []string
		for _, call := range slices.Sorted(maps.Keys(calls)) {
			all += calls[call]
			lines = append(lines, fmt.Sprintf("%3d %s", calls[call], call))
		}
		creates, starts := calls["POST /containers/create"], calls["POST /containers/x/start"]
		if made := calls["POST /networks/create"] + calls["DELETE /networks/x"]; made > 0 {
			t.Errorf("%s: networks were made or removed %d times, although one was kept of the job before", kind.name, made)
		}
		if creates != kind.creates || starts != kind.starts || all > kind.calls || asked > kind.requests {
			t.Errorf("%s: %d containers created and %d started, want %d and %d; %d calls of the engine, want %d at most; %d requests to GitLab, want %d at most\n%s",
				kind.name, creates, starts, kind.creates, kind.starts, all, kind.calls, asked, kind.requests, strings.Join(lines, "\n"))
		}
	}
}

// awaitNetworks waits until the networks of so many jobs of the present process are kept or removed, the last that is done for a job.
func (w *world) awaitNetworks(jobs int) {
	w.t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if strings.Count(w.log.String()[w.begun:], "the network of the job ") >= jobs {
			return
		}
		if time.Now().After(late) {
			w.t.Fatalf("the networks of %d jobs are still theirs\n%s", jobs, w.log)
		}
	}
}
