package e2e

import (
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestBuilders: a service that builds images without docker is privileged as a sidecar is, the job finds it by name, and it answers
// before the script begins. One that ends fails the job at once.
func TestBuilders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, map[string]string{"busybox": staticBusybox(t), "Dockerfile": "FROM scratch\nCOPY busybox /busybox\n"})
	build := func(command ...string) coordinator.JobSpec {
		return beside(in("podman/stable:latest", `echo "at $CONTAINER_HOST"`, "chmod 755 busybox", "podman --remote build -t tiny .",
			"podman --remote run --rm --network host tiny /busybox echo built and run"),
			ciyaml.Service{Image: ciyaml.Image{Name: "podman/stable:latest"}, Command: command, Alias: "engine"})
	}
	w.play([]scenario{
		{"podman", build(), succeeds("\nat tcp://podman:2375\n", "\nbuilt and run\n")},
		{"podman as the job says", with(build("podman", "system", "service", "--time=0", "tcp://0.0.0.0:8080"), "CONTAINER_HOST=tcp://engine:8080"), succeeds("\nbuilt and run\n")},
		{"podman that ends", build("podman", "system", "service", "--nonsense", "tcp://0.0.0.0:8080"), func(t *testing.T, e ending) {
			if e.State != coordinator.StateFailed {
				t.Errorf("state %s", e.State)
			}
			e.has(t, "service podman/stable:latest ended with exit code 125 before it was ready", "unknown flag: --nonsense")
		}},
	})
}
