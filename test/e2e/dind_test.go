package e2e

import (
	"strconv"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestDindTools is what people start docker-in-docker for: images built and run, the checkout in a container, the
// host's network. The job names no daemon at all; its image has a docker client.
func TestDindTools(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, map[string]string{
		"hello.txt": "hello from the checkout\n",
		"busybox":   staticBusybox(t),
		"Dockerfile": "FROM scratch\nCOPY busybox /busybox\n" +
			`RUN ["/busybox", "sh", "-c", "/busybox nslookup only-here.lced.test | /busybox sed 's/^/in the build: /'"]` + "\n",
	})
	w.configure(plainConfig)
	seen := w.watchServices()
	w.startRunner()
	j, log := w.run(dockerJob("docker:latest", nil,
		whichDaemon,
		"chmod 755 busybox",
		"docker build -t tiny .",
		"docker run --rm tiny /busybox echo in the image",
		`docker run --rm -v "$CI_PROJECT_DIR:/w" tiny /busybox cat /w/hello.txt`,
		`docker run --rm -v "$CI_PROJECT_DIR:/w" tiny /busybox sh -c 'echo written in the sidecar >/w/reply.txt'`,
		"cat reply.txt",
		"docker run --rm tiny /busybox nslookup only-here.lced.test | sed 's/^/in the run: /'",
		`echo "bridge=$(docker network inspect bridge --format '{{index .Options "com.docker.network.driver.mtu"}}')"`,
		`echo "inner=$(docker run --rm tiny /busybox cat /sys/class/net/eth0/mtu)"`,
		`echo "outer=$(cat /sys/class/net/eth0/mtu)"`,
	))
	wantSuccess(t, j, log, "(mode tls)", "\nin the image\n", "\nhello from the checkout\n", "\nwritten in the sidecar\n")
	if s := sidecarOf(t, seen(), j.ID); said(t, log, "daemon=") != s.host() {
		t.Errorf("docker is not the sidecar %s:\n%s", s.host(), log)
	}
	for _, where := range []string{"bridge=", "inner=", "outer="} {
		if got, want := said(t, log, where), uplinkMTU(t); got != want {
			t.Errorf("%s%s, the host has %s", where, got, want)
		}
	}
	t.Run("names of the host's resolver", func(t *testing.T) {
		w.requireHostName(t)
		for _, where := range []string{"in the build: ", "in the run: "} {
			if !strings.Contains(log, where+"Address: 192.0.2.77") && !strings.Contains(log, where+"Address 1: 192.0.2.77") {
				t.Errorf("only-here.lced.test was not found %s:\n%s", where, log)
			}
		}
	})
}

// TestDindPort2375: a job that insists on the port without TLS gets a daemon that listens there, with a service or without.
func TestDindPort2375(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure(plainConfig)
	seen := w.watchServices()
	w.startRunner()
	spec := dockerJob("docker:latest", []string{"DOCKER_HOST=tcp://docker:2375"}, "echo host=$DOCKER_HOST", whichDaemon)
	ids := []int64{w.submit(spec), w.submit(withService(spec, "docker:dind"))}
	for _, id := range ids {
		j, log := w.await(id)
		wantSuccess(t, j, log, "(mode plain)", "\nhost=tcp://docker:2375\n")
	}
	services := seen()
	for _, id := range ids {
		s := sidecarOf(t, services, id)
		if got := said(t, string(w.gitlab.Trace(id)), "daemon="); got != s.host() {
			t.Errorf("docker is %s, want the sidecar %s", got, s.host())
		}
	}
}

// TestDindBesideSocket: where the host's socket is mounted a dind service would collide with it ("device or resource
// busy"); it is not started, and one line says so.
func TestDindBesideSocket(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure(`
    image = "busybox:latest"
    pull_policy = "if-not-present"
    privileged = true
    volumes = ["/var/run/docker.sock:/var/run/docker.sock"]
`)
	seen := w.watchServices()
	w.startRunner()
	j, log := w.run(withService(dockerJob("docker:latest", nil, whichDaemon), "docker:latest"))
	wantSuccess(t, j, log)
	if n := strings.Count(log, "service docker:latest is not started"); n != 1 {
		t.Errorf("%d lines say that the service is not started, want one:\n%s", n, log)
	}
	if s := seen(); len(s) != 0 {
		t.Errorf("services were started: %v", s)
	}
	if got, want := said(t, log, "daemon="), w.hostName(); got != want {
		t.Errorf("docker is %s, want the host's engine %s", got, want)
	}
}

// TestDindAnyImage: an image with a docker client but none of the official image's entrypoint or variables reaches
// its sidecar, whether it comes from a service or from LCED_DIND. Only the sidecar is privileged.
func TestDindAnyImage(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	// MTU apart from the host's, to see which one the inner bridge has.
	w.configure("\n    network_mtu = 1280" + plainConfig)
	seen := w.watchServices()
	w.startRunner()
	script := []string{
		whichDaemon, "env | grep ^DOCKER_ | sort", "grep CapEff /proc/self/status",
		`echo "bridge=$(docker network inspect bridge --format '{{index .Options "com.docker.network.driver.mtu"}}')"`,
	}
	jobs := []int64{
		w.submit(withService(dockerJob("lced-test/docker-client:latest", nil, script...), "docker:dind")),
		w.submit(dockerJob("lced-test/docker-client:latest", []string{"LCED_DIND=true"}, script...)),
	}
	for i, id := range jobs {
		j, log := w.await(id)
		wantSuccess(t, j, log, "DOCKER_CERT_PATH=/certs/client\nDOCKER_HOST=tcp://docker:2376\nDOCKER_TLS_CERTDIR=/certs\nDOCKER_TLS_VERIFY=1\n")
		if i == 1 {
			wantTexts(t, log, `since the job says LCED_DIND: "true"`)
		}
		if mtu := said(t, log, "bridge="); mtu != "1280" {
			t.Errorf("MTU of the inner bridge is %s, want network_mtu", mtu)
		}
		// Nothing beyond what docker gives to an unprivileged container.
		caps, err := strconv.ParseUint(said(t, log, "CapEff:"), 16, 64)
		if err != nil || caps&^0xa80425fb != 0 {
			t.Errorf("effective capabilities of the build container: %x (%v)", caps, err)
		}
	}
	services := seen()
	for _, id := range jobs {
		s := sidecarOf(t, services, id)
		if !s.privileged {
			t.Errorf("sidecar %s is not privileged", s.name)
		}
		if got := said(t, string(w.gitlab.Trace(id)), "daemon="); got != s.host() {
			t.Errorf("docker is %s, want the sidecar %s", got, s.host())
		}
	}
}

// TestDindNotPrivileged: nothing is escalated. A job that asks for a sidecar is refused, one whose image merely has a
// docker client runs without; one sentence names the key.
func TestDindNotPrivileged(t *testing.T) {
	t.Parallel()
	const key = "set [runners.dind] privileged = true in config.toml"
	w := prepareWorld(t, nil)
	w.configure("\n    image = \"busybox:latest\"\n    pull_policy = \"if-not-present\"\n")
	seen := w.watchServices()
	w.startRunner()
	refused := w.submit(withService(dockerJob("docker:latest", nil, "echo never"), "docker:dind"))
	without := w.submit(dockerJob("docker:latest", nil, "docker --version"))

	j, log := w.await(refused)
	if j.State != coordinator.StateFailed || j.FailureReason != "runner_configuration_error" {
		t.Errorf("state %s, reason %s", j.State, j.FailureReason)
	}
	if strings.Count(log, key) != 1 {
		t.Errorf("want one sentence with the key:\n%s", log)
	}
	j, log = w.await(without)
	wantSuccess(t, j, log, "Docker version")
	if strings.Count(log, key) != 1 {
		t.Errorf("want one sentence with the key:\n%s", log)
	}
	if s := seen(); len(s) != 0 {
		t.Errorf("services were started: %v", s)
	}
}

// TestDindDies: a daemon that ends at once fails the job at once, with what it said last and why.
func TestDindDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	j, log := w.run(withService(dockerJob("docker:latest", nil, "echo never"), "docker:dind", "--storage-driver=nonsense"))
	if j.State != coordinator.StateFailed || strings.Contains(log, "\nnever\n") {
		t.Errorf("state %s", j.State)
	}
	// Its end, not the end of the time to get ready, is what failed the job.
	wantTexts(t, log,
		"service docker:dind ended with exit code 1 before it was ready",
		"Service docker:dind is not ready. The last lines of its log:",
		"nonsense",
		"the docker daemon cannot use the storage driver that it was told to",
	)
}
