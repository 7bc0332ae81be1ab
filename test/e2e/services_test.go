package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// listener is a service that listens on its port 6379, which its image exposes, some seconds after its start.
func listener(alias, after string) ciyaml.Service {
	return ciyaml.Service{
		Image: ciyaml.Image{Name: "lced-test/listener:latest"}, Alias: alias,
		Variables: []ciyaml.Variable{{Name: "LISTEN_AFTER", Value: after}},
	}
}

// dyingService ends as soon as it starts.
func dyingService() ciyaml.Service {
	return ciyaml.Service{Image: ciyaml.Image{Name: "lced-test/dying:latest"}, Alias: "db"}
}

func TestServices(t *testing.T) {
	t.Parallel()
	commanded := ciyaml.Service{
		Image: ciyaml.Image{Name: "busybox:latest", Entrypoint: []string{"sh", "-c"}}, Alias: "web",
		Command: []string{`hostname -i >/builds/address; while :; do echo "hello from $CI_JOB_NAME" | nc -l -p 80; done`},
	}
	w := newWorld(t, plainConfig, nil)
	// Each asks once: a service that was not waited for would not answer.
	w.play([]scenario{
		{"slow start, names given and derived",
			beside(job("nc one 6379 </dev/null", "nc two 6379 </dev/null", "nc lced-test__listener 6379 </dev/null", "nc lced-test-listener 6379 </dev/null"), listener("one,two", "3")),
			func(t *testing.T, e ending) {
				succeeds("Starting service lced-test/listener:latest...", "Waiting for services to be up and running")(t, e)
				e.times(t, "+PONG\n", 4)
			}},
		{"two services", beside(job("nc one 6379 </dev/null", "nc two 6379 </dev/null"), listener("one", "0"), listener("two", "1")), func(t *testing.T, e ending) {
			succeeds()(t, e)
			e.times(t, "+PONG\n", 2)
		}},
		{"a service that dies", beside(job("echo the job goes on"), dyingService()), succeeds(
			"WARNING:", "probably didn't start properly", "exit code 3", "database directory /data is missing", "\nthe job goes on\n")},
		{"entrypoint and command of the job", beside(job("until nc web 80 </dev/null; do sleep 0.1; done"), commanded), succeeds("hello from job\n")},
		{"service that cannot be had", beside(job("echo never"), ciyaml.Service{Image: ciyaml.Image{Name: "lced-test/no-such", PullPolicy: []string{"if-not-present"}}}), lacks(func(t *testing.T, e ending) {
			if e.State != coordinator.StateFailed {
				t.Errorf("state %s\n%s", e.State, e.log)
			}
			e.has(t, "image lced-test/no-such")
		}, "\nnever\n")},
	})
}

// registry is a registry that answers every question about an image with a status and a code, and counts them.
func registry(t *testing.T, status int, code string) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return
		}
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			asked.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"code": code, "message": strings.ToLower(code)}}})
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), asked
}

// TestImages is about images that cannot be had. Engines speak plain HTTP to registries on 127.0.0.1.
func TestImages(t *testing.T) {
	t.Parallel()
	missing, askedMissing := registry(t, http.StatusNotFound, "MANIFEST_UNKNOWN")
	denied, askedDenied := registry(t, http.StatusForbidden, "DENIED")
	twoPolicies := job("echo from the local copy")
	twoPolicies.Job.Image.PullPolicy = []string{"always", "if-not-present"}
	twoPolicies.Job.Image.Name = missing + "/group/app:1"
	never := in("lced-test/no-such:latest", "echo never")
	never.Job.Image.PullPolicy = []string{"never"}
	w := newWorld(t, everyPolicy, nil)
	w.play([]scenario{
		{"not found", in(missing+"/group/app:1", "echo never"), lacks(fails("runner_configuration_error", 0,
			"image "+missing+"/group/app:1 cannot be had", "manifest unknown", "Check its name and tag"), "\nnever\n", "trying again")},
		{"denied", in(denied+"/group/app:1", "echo never"), lacks(fails("runner_configuration_error", 0, "image "+denied+"/group/app:1 cannot be had", "DOCKER_AUTH_CONFIG"), "\nnever\n", "trying again")},
		{"a server that does not list the reason", patched(in(missing+"/group/app:1", "echo never"), func(payload map[string]any) {
			payload["features"].(map[string]any)["failure_reasons"] = []any{"unknown_failure", "script_failure", "runner_system_failure"}
		}), fails("script_failure", 0, "cannot be had")},
		{"registry does not answer", in("127.0.0.1:1/x:latest", "echo never"), lacks(fails("runner_external_dependency_failure", 0,
			"image 127.0.0.1:1/x:latest cannot be pulled because its registry does not answer", "connection refused", "trying again"), "\nnever\n")},
		{"never pull", never, lacks(fails("runner_configuration_error", 0, "image lced-test/no-such:latest cannot be had", `pull policy "never"`), "\nnever\n")},
		{"second policy", twoPolicies, fails("runner_configuration_error", 0, `Attempt #2: Trying "if-not-present" pull policy`)},
		{"impossible name", in("UPPER/case:x y", "echo never"), lacks(fails("runner_configuration_error", 0, "UPPER/case:x y"), "\nnever\n")},
		{"local copy", func() coordinator.JobSpec {
			spec := job("echo from the local copy")
			spec.Job.Image.PullPolicy = []string{"never"}
			return spec
		}(), succeeds("from the local copy\n")},
	})
	// Twice each is what one pull asks: HEAD, then GET. Four jobs pull the first.
	if n := askedMissing.Load(); n > 8 {
		t.Errorf("the registry was asked %d times for an image that it does not have", n)
	}
	if n := askedDenied.Load(); n > 2 {
		t.Errorf("the registry was asked %d times for an image that it denies", n)
	}
}

// TestPullPolicyNotAllowed is about a policy that the configuration does not leave to jobs.
func TestPullPolicyNotAllowed(t *testing.T) {
	t.Parallel()
	spec := job("echo never")
	spec.Job.Image.PullPolicy = []string{"never"}
	w := newWorld(t, "\n    pull_policy = \"if-not-present\"\n    wait_for_services_timeout = 1\n", nil)
	w.play([]scenario{
		{"not allowed", spec, lacks(fails("runner_configuration_error", 0, `invalid pull policy for image "busybox:latest"`), "\nnever\n")},
		{"service that never listens", beside(job("echo the job goes on"), listener("one", "1000")), succeeds("probably didn't start properly", "timeout after 1s", "\nthe job goes on\n")},
	})
}

// silentRegistry takes connections and never answers. It tells of the first.
func silentRegistry(t *testing.T) (address string, connected <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			if conns = append(conns, conn); len(conns) == 1 {
				close(first)
			}
		}
		for _, conn := range conns {
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String(), first
}
