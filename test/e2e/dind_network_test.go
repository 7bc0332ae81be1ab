package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
)

// TestDindSharedSocket: daemon and job meet at a socket on a volume. The second job finds the first one's, dead.
func TestDindSharedSocket(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure(`
    image = "busybox:latest"
    pull_policy = "if-not-present"
    volumes = ["/runner/services/docker"]
  [runners.dind]
    privileged = true
`)
	seen := w.watchServices()
	w.startRunner()
	spec := withService(dockerJob("docker:latest", []string{"DOCKER_HOST=unix:///runner/services/docker/docker.sock"}, whichDaemon), "docker:dind")
	first, firstLog := w.run(spec)
	if w.socketsIn("/runner/services/docker") != 1 {
		t.Error("the first job's daemon left no socket behind: this test tests nothing")
	}
	second, secondLog := w.run(spec)
	services := seen()
	for id, log := range map[int64]string{first.ID: firstLog, second.ID: secondLog} {
		j, _ := w.gitlab.Job(id)
		wantSuccess(t, j, log, "(mode shared-socket)")
		if s := sidecarOf(t, services, id); said(t, log, "daemon=") != s.host() {
			t.Errorf("docker is not the sidecar %s:\n%s", s.host(), log)
		}
	}
}

// socketsIn counts the unix sockets in the world's cache volume for a path in the containers.
func (w *world) socketsIn(destination string) int {
	w.t.Helper()
	return strings.Count(w.findIn(destination, "-type", "s"), "\n")
}

// findIn is what find finds in the world's cache volumes for a path in the containers.
func (w *world) findIn(destination string, args ...string) string {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	res, err := w.docker.VolumeList(w.t.Context(), client.VolumeListOptions{Filters: client.Filters{}.
		Add("label", "lced.runner="+id).Add("label", "com.gitlab.gitlab-runner.destination="+destination)})
	if err != nil || len(res.Items) == 0 {
		w.t.Fatalf("%d volumes for %s (%v)", len(res.Items), destination, err)
	}
	run := []string{"run", "--rm"}
	for _, v := range res.Items {
		run = append(run, "-v", v.Name+":/v/"+v.Name)
	}
	out, err := exec.Command("docker", append(append(run, "busybox:latest", "find", "/v"), args...)...).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(out)
}

// TestDindHostNetwork: a build container on the host's network finds its sidecar, which is not there, by name.
func TestDindHostNetwork(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure("\n    network_mode = \"host\"" + plainConfig)
	w.reachSidecar("ls /sys/class/net", "docker0")
}

// TestDindNamedNetwork: a build container on a network of the operator's joins its sidecar's as well.
func TestDindNamedNetwork(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	name := strings.ToLower(t.Name())
	if _, err := w.docker.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.drain()
		if _, err := w.docker.NetworkRemove(cleanupContext(), name, client.NetworkRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	w.configure(dockerConfig(fmt.Sprintf("\n    network_mode = %q", name)) + plainConfig)
	s := w.reachSidecar("ls /sys/class/net", "eth1")
	if slices.Contains(s.networks, name) {
		t.Errorf("the sidecar is on the operator's network: %v", s.networks)
	}
}

// reachSidecar starts the runner, has a job print something with a command, and checks that its daemon is its sidecar's, by TCP and TLS.
func (w *world) reachSidecar(command, want string) sidecar {
	w.t.Helper()
	seen := w.watchServices()
	w.startRunner()
	j, log := w.run(withService(dockerJob("docker:latest", nil, command, whichDaemon), "docker:dind"))
	wantSuccess(w.t, j, log, "(mode tls)", want+"\n")
	s := sidecarOf(w.t, seen(), j.ID)
	if said(w.t, log, "daemon=") != s.host() {
		w.t.Errorf("docker is not the sidecar %s:\n%s", s.host(), log)
	}
	if len(s.networks) != 1 {
		w.t.Errorf("the sidecar is on the networks %v, want its job's only", s.networks)
	}
	return s
}

// TestDindJobsApart: dind jobs that run at the same time, of one project and of another, see only their own daemon, and
// cannot reach each other's even where they know the address.
func TestDindJobsApart(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	meeting := w.meet(3)
	w.configure(plainConfig)
	seen := w.watchServices()
	w.startRunner()
	other := w.makeRepository(nil)
	other.Path = "e2e/another-project"
	spec := dockerJob("docker:latest", nil,
		whichDaemon,
		`docker build -t "of-job-$CI_JOB_ID" - <<END
FROM scratch
LABEL job=$CI_JOB_ID
END`,
		`address=$(getent hosts docker | cut -d ' ' -f 1)`,
		`addresses=$(wget -q -O - "`+meeting+`?address=$address")`,
		`for a in $addresses; do test "$a" = "$address" || { echo "tried $a"; ! DOCKER_HOST=tcp://$a:2376 timeout 2 docker info >/dev/null 2>&1 || echo "reached $a"; }; done`,
		`docker images --format 'image={{.Repository}}'`,
		// Nobody leaves before all have looked.
		`wget -q -O - "`+meeting+`?address=done" >/dev/null`,
	)
	apart := spec
	apart.Repository = other
	ids := []int64{w.submit(spec), w.submit(spec), w.submit(apart)}
	for _, id := range ids {
		j, log := w.await(id)
		wantSuccess(t, j, log, "image=of-job-"+fmt.Sprint(id)+"\n", "\ntried ")
		if strings.Contains(log, "\nreached ") || strings.Count(log, "\nimage=") != 1 {
			t.Errorf("job %d sees another one's daemon:\n%s", id, log)
		}
	}
	services := seen()
	for _, id := range ids {
		s := sidecarOf(t, services, id)
		if got := said(t, string(w.gitlab.Trace(id)), "daemon="); got != s.host() {
			t.Errorf("job %d talked to %s, its sidecar is %s", id, got, s.host())
		}
	}
}

// meet is a URL that answers only when n jobs have asked it, each with an address; it tells them all addresses. It can be
// used several times.
func (w *world) meet(n int) (url string) {
	w.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway(w.t, w.docker), "0"))
	if err != nil {
		w.t.Fatal(err)
	}
	type round struct {
		addresses []string
		complete  chan struct{}
	}
	var mu sync.Mutex
	now := &round{complete: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		mu.Lock()
		r := now
		r.addresses = append(r.addresses, in.FormValue("address"))
		if len(r.addresses) == n {
			close(r.complete)
			now = &round{complete: make(chan struct{})}
		}
		mu.Unlock()
		select {
		case <-r.complete:
			io.WriteString(out, strings.Join(r.addresses, "\n")+"\n")
		case <-in.Context().Done():
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	w.t.Cleanup(func() {
		server.Close()
		<-served
	})
	return "http://" + listener.Addr().String() + "/"
}

// uplinkMTU is the MTU of the interface that the host's default route uses.
func uplinkMTU(t *testing.T) string {
	t.Helper()
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(routes)) {
		if f := strings.Fields(line); len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			mtu, err := os.ReadFile("/sys/class/net/" + f[0] + "/mtu")
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(mtu))
		}
	}
	return "1500"
}

// requireHostName ends a test where containers do not use test/engine's resolver, which alone knows the name only-here.lced.test.
func (w *world) requireHostName(t *testing.T) {
	t.Helper()
	address := net.JoinHostPort(gateway(t, w.docker), "53")
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	if _, err := resolver.LookupHost(t.Context(), "only-here.lced.test"); err != nil {
		required(t, "the engine is not that of test/engine/start.sh: "+err.Error())
	}
}
