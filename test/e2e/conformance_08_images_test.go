package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

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

// TestConformance_08_Images is about images that cannot be had. Engines speak plain HTTP to registries on 127.0.0.1.
func TestConformance_08_Images(t *testing.T) {
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

// TestConformance_08_PullPolicyNotAllowed is about a policy that the configuration does not leave to jobs.
func TestConformance_08_PullPolicyNotAllowed(t *testing.T) {
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

// loaded puts an image for an architecture on the engine whose /bin/sh no machine of the tests can run, and removes it in
// the end.
func loaded(t *testing.T, docker *client.Client, name, architecture string) string {
	t.Helper()
	pack := func(files map[string][]byte) []byte {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for path, data := range files {
			if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(data))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	elf := make([]byte, 128)
	copy(elf, "\x7fELF\x02\x01\x01")
	elf[16], elf[18], elf[20] = 2, 0xf3, 1 // an executable for RISC-V
	layer := pack(map[string][]byte{"bin/sh": elf})
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux",
		"config": map[string]any{"Cmd": []string{"sh"}, "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(layer)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest := fmt.Sprintf(`[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, name)
	res, err := docker.ImageLoad(t.Context(), bytes.NewReader(pack(map[string][]byte{"config.json": config, "layer.tar": layer, "manifest.json": []byte(manifest)})))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if _, err := io.Copy(io.Discard, res); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, docker, name) })
	return name
}

// TestConformance_08_Platforms is about images for other machines, and images by digest.
func TestConformance_08_Platforms(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	alien := loaded(t, w.docker, "lced-e2e/alien:latest", "riscv64")
	w.configure(plainConfig)
	w.startRunner()
	const warned = "WARNING: image lced-e2e/alien:latest is for linux/riscv64, and this board is linux/"
	const explained = "image lced-e2e/alien:latest is for linux/riscv64 only, and this board is linux/"
	w.play([]scenario{
		{"image for another machine", in(alien, "echo never"), lacks(fails("runner_configuration_error", 0, warned, explained), "\nnever\n")},
		{"service for another machine", beside(job("echo the job goes on"), ciyaml.Service{Image: ciyaml.Image{Name: alien}, Alias: "db"}), succeeds(warned, "the job goes on\n")},
		{"image for this machine", job("true"), lacks(succeeds(), "this board is")},
		{"image by id", in(imageID(t, w.docker, "busybox:latest"), "echo by id"), succeeds("by id\n")},
	})
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func imageID(t *testing.T, docker *client.Client, name string) string {
	t.Helper()
	res, err := docker.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return res.ID
}

// guarded is a registry that lets nobody in, and tells who asked for a repository.
func guarded(t *testing.T) (address string, asked func(repository string) string) {
	t.Helper()
	var mu sync.Mutex
	users := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		repository, _, image := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
		if image && user != "" {
			mu.Lock()
			users[repository] = user + ":" + password
			mu.Unlock()
		}
		if user == "" || !image {
			w.Header().Set("WWW-Authenticate", `Basic realm="guarded"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), func(repository string) string {
		mu.Lock()
		defer mu.Unlock()
		return users[repository]
	}
}

// TestConformance_08_Credentials is about which login a registry gets, where several are at hand.
func TestConformance_08_Credentials(t *testing.T) {
	t.Parallel()
	address, asked := guarded(t)
	login := func(name string) string { return base64.StdEncoding.EncodeToString([]byte(name + ":of " + name)) }
	pulls := func(repository string, variables ...string) coordinator.JobSpec {
		return patched(with(in(address+"/"+repository+":1", "echo never"), variables...), func(payload map[string]any) {
			payload["credentials"] = []any{map[string]any{"type": "registry", "url": address, "username": "job", "password": "of job"}}
		})
	}
	variable := fmt.Sprintf(`DOCKER_AUTH_CONFIG={"auths": {%q: {"auth": %q}, "%s/deep": {"auth": %q}}}`, address, login("variable"), address, login("path"))
	from := func(source string) func(*testing.T, ending) {
		return func(t *testing.T, e ending) {
			if e.State != coordinator.StateFailed {
				t.Errorf("state %s", e.State)
			}
			e.has(t, "Authenticating with credentials from "+source)
		}
	}
	w := newWorld(t, everyPolicy, nil)
	w.play([]scenario{
		{"of the job", pulls("a/job"), from("job payload (GitLab Registry)")},
		{"of the variable", pulls("a/variable", variable), from("$DOCKER_AUTH_CONFIG")},
		{"of the longest path", pulls("deep/path", variable), from("$DOCKER_AUTH_CONFIG")},
	})
	for repository, want := range map[string]string{"a/job": "job:of job", "a/variable": "variable:of variable", "deep/path": "path:of path"} {
		if got := asked(repository); got != want {
			t.Errorf("%s was asked for by %q, want %q", repository, got, want)
		}
	}
}
