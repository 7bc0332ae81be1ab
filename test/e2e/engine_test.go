package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
)

// engine is a client of the machine's engine. Without one the test is skipped, or fails where LCED_REQUIRE_DOCKER is set.
func engine(t *testing.T) *client.Client {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	if err == nil {
		_, err = docker.Ping(t.Context(), client.PingOptions{NegotiateAPIVersion: true})
	}
	if err != nil {
		if os.Getenv("LCED_REQUIRE_DOCKER") != "" {
			t.Fatalf("no docker engine: %v", err)
		}
		t.Skipf("no docker engine (%v); `make test` starts one", err)
	}
	t.Cleanup(func() { docker.Close() })
	return docker
}

// gateway is the host's address on the engine's default bridge, where containers and the runner reach the coordinator.
func gateway(t *testing.T, docker *client.Client) string {
	t.Helper()
	res, err := docker.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Network.IPAM.Config {
		if c.Gateway.Is4() {
			return c.Gateway.String()
		}
	}
	t.Fatal("the default bridge has no gateway")
	return ""
}

// binary builds the runner once per test run. Its version is dev, as that of the image lced-runner:dev, which `make image`
// builds from the same tree.
func binary(t *testing.T) string {
	t.Helper()
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lced-runner-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "lced-runner")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "lced-runner/cmd/lced-runner")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// owned are the engine's things with our label and the world's system id, but for reusable volumes.
func (w *world) owned() []string {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	ours := client.Filters{}.Add("label", "lced.runner="+id)
	ctx := w.t.Context()
	if ctx.Err() != nil {
		ctx = cleanupContext()
	}
	var found []string
	containers, err := w.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range containers.Items {
		found = append(found, "container "+strings.Join(c.Names, ",")+" "+string(c.State))
	}
	networks, err := w.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range networks.Items {
		found = append(found, "network "+n.Name)
	}
	volumes, err := w.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range volumes.Items {
		if v.Labels["com.gitlab.gitlab-runner.reusable"] != "true" {
			found = append(found, "volume "+v.Name)
			continue
		}
		// What a cache volume is for is proven by the tests that use it; here it would only fill the disk.
		w.t.Cleanup(func() {
			if _, err := w.docker.VolumeRemove(cleanupContext(), v.Name, client.VolumeRemoveOptions{Force: true}); err != nil {
				w.t.Error(err)
			}
		})
	}
	return found
}

// assertEngineClean fails the test for everything of ours that is left after a drain.
func (w *world) assertEngineClean() {
	w.t.Helper()
	for _, what := range w.owned() {
		w.t.Errorf("left on the engine: %s", what)
	}
}
