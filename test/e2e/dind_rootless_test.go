package e2e

import (
	"os"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestDindRootless: a daemon without root, in each mode and on each port: its user reads the certificates and the checkout, the host's
// authorities of registries are known to it, and what it stores is there for the next job.
func TestDindRootless(t *testing.T) {
	t.Parallel()
	requireTun(t)
	w := prepareWorld(t, filesToBuild(t))
	registry := w.startRegistry("http://" + w.mirror())
	w.configure("\n    volumes = [\"/runner/services/docker\"]" + storageConfig)
	seen := w.watchServices()
	w.startRunner()
	job := func(variables ...string) coordinator.JobSpec {
		return with(dockerJob("docker:latest", variables, whichDaemon, `echo "daemon is $(docker info --format '{{.SecurityOptions}}')"`), "LCED_DIND_STORAGE=ephemeral")
	}
	served := func(mode string, more ...string) func(*testing.T, ending) {
		return succeeds(append(more, "(mode "+mode+")", "name=rootless")...)
	}
	const image = "docker:dind-rootless"
	whole := withService(dockerJob("docker:latest", nil, append(job().Job.Script,
		"chmod 755 busybox", "docker build -t tiny .",
		`docker run --rm -v "$CI_PROJECT_DIR:/w" tiny /busybox sh -c 'cat /w/hello.txt; echo written in the sidecar >/w/reply.txt'`, "cat reply.txt",
		"docker run --rm tiny /busybox nslookup only-here.lced.test | sed 's/^/in the run: /'",
		"docker pull "+registry.host+"/library/busybox:latest",
	)...), image)
	all := []string{"\nhello from the checkout\n", "\nwritten in the sidecar\n", ": 192.0.2.77\n"}
	scenarios := []scenario{
		{"TLS", whole, served("tls", append(all, "starts with nothing; what it holds at the end stays")...)},
		{"no TLS", withService(job("DOCKER_TLS_CERTDIR="), image), served("plain")},
		{"a socket on a volume", withService(job("DOCKER_HOST=unix:///runner/services/docker/docker.sock"), image), served("shared-socket")},
		{"dockerd as the command", withService(job("DOCKER_TLS_CERTDIR=/secrets"), image, "dockerd"), served("tls")},
		{"a port of the job's", withService(job("DOCKER_HOST=tcp://docker:12375"), image), served("tls")},
	}
	var played []ending
	for i := range scenarios {
		check := scenarios[i].check
		scenarios[i].check = func(t *testing.T, e ending) { check(t, e); played = append(played, e) }
	}
	w.play(scenarios)
	j, log := w.run(whole)
	served("tls", append(all, "starts with what an earlier job of this project stored", "Using cache")...)(t, ending{j, log})

	services := seen()
	for _, e := range append(played, ending{j, log}) {
		if s := sidecarOf(t, services, e.ID); said(t, e.log, "daemon=") != s.host() {
			t.Errorf("docker is not the sidecar %s:\n%s", s.host(), e.log)
		}
	}
}

// requireTun ends a test where a daemon without root cannot have a network.
func requireTun(t *testing.T) {
	t.Helper()
	if tun, err := os.Stat("/dev/net/tun"); err != nil || tun.Mode().Perm() != 0o666 {
		required(t, "not every user may open /dev/net/tun: test/engine/start.sh, or udev, makes it so")
	}
}
