package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestDindVariants: sidecars from other images than docker:latest: a newer engine in each mode, the certificates elsewhere, an
// image of a private mirror, and one that only says dind in its name.
func TestDindVariants(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, map[string]string{"hello.txt": "hello from the checkout\n", "busybox": staticBusybox(t), "Dockerfile": "FROM scratch\nCOPY busybox /\n"})
	mirror := w.mirror()
	w.tag("lced-test/listener:latest", "lced-test/not-dind:latest")
	t.Cleanup(func() { w.removeImages(mirror) })
	w.configure(`
    image = "busybox:latest"
    pull_policy = "if-not-present"
    volumes = ["/runner/services/docker"]
  [runners.dind]
    privileged = true
`)
	seen := w.watchServices()
	w.startRunner()
	newer := func(variables ...string) coordinator.JobSpec {
		return withService(dockerJob("docker:26-dind", variables, whichDaemon, `echo "version=$(docker version --format '{{.Server.Version}}')"`,
			"docker buildx version", "docker build --load -t tiny . 2>&1",
			`docker run --rm -v "$CI_PROJECT_DIR:/w" tiny /busybox cat /w/hello.txt`), "docker:26-dind")
	}
	variants := []scenario{
		{"newer engine, TLS", newer(), succeeds("(mode tls)", "\nversion=26.", "\nhello from the checkout\n")},
		{"newer engine, no TLS", newer("DOCKER_TLS_CERTDIR="), succeeds("(mode plain)", "\nversion=26.", "\nhello from the checkout\n")},
		{"newer engine, socket on a volume", newer("DOCKER_HOST=unix:///runner/services/docker/docker.sock"),
			succeeds("(mode shared-socket)", "\nversion=26.", "\nhello from the checkout\n")},
		{"certificates elsewhere", withService(dockerJob("docker:latest", []string{"DOCKER_TLS_CERTDIR=/secrets/docker"},
			"ls $DOCKER_CERT_PATH", whichDaemon), "docker:26-dind"), succeeds("(mode tls)", "\nca.pem\ncert.pem\nkey.pem\n")},
		{"private mirror", withService(dockerJob("lced-test/docker-client:latest", nil, whichDaemon), mirror+"/library/docker:24-dind"),
			succeeds("docker-in-docker: " + mirror + "/library/docker:24-dind at tcp://docker:2376 (mode tls)")},
	}
	var played []ending
	for i := range variants {
		check := variants[i].check
		variants[i].check = func(t *testing.T, e ending) {
			check(t, e)
			played = append(played, e)
		}
	}
	only := job("nc -w 2 web 6379 </dev/null")
	only.Job.Services = []ciyaml.Service{{Image: ciyaml.Image{Name: "lced-test/not-dind:latest"}, Alias: "web", Variables: []ciyaml.Variable{{Name: "LISTEN_AFTER", Value: "0"}}}}
	w.play(append([]scenario{{"only says dind", only, func(t *testing.T, e ending) {
		succeeds("+PONG", "says dind in its name, but its image is not made from docker:dind")(t, e)
	}}}, variants...))
	services := seen()
	for _, e := range played {
		if s := sidecarOf(t, services, e.ID); said(t, e.log, "daemon=") != s.host() || !s.privileged {
			t.Errorf("docker is not the sidecar %s, privileged %t:\n%s", s.host(), s.privileged, e.log)
		}
	}
	for _, s := range services {
		if strings.Contains(s.name, "not-dind") && s.privileged {
			t.Error("an ordinary service is privileged since its name says dind")
		}
	}
}

// mirror is the address of test/engine's registry, which has the images that were made on this machine.
func (w *world) mirror() string {
	w.t.Helper()
	address := net.JoinHostPort(gateway(w.t, w.docker), "5055")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		required(w.t, "the engine is not that of test/engine/start.sh: "+err.Error())
	}
	conn.Close()
	return address
}

// tag gives an image another name for the time of the test.
func (w *world) tag(image, name string) {
	w.t.Helper()
	if _, err := w.docker.ImageTag(w.t.Context(), client.ImageTagOptions{Source: image, Target: name}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.drain()
		if _, err := w.docker.ImageRemove(cleanupContext(), name, client.ImageRemoveOptions{}); err != nil {
			w.t.Error(fmt.Errorf("remove %s: %w", name, err))
		}
	})
}
