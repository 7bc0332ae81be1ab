package dind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuilders(t *testing.T) {
	t.Parallel()
	address := []string{"--addr=unix:///run/buildkit/buildkitd.sock", "--addr=tcp://0.0.0.0:1234"}
	probe := func(port string) []string { return []string{"sh", "-c", podmanProbe, "sh", "tcp://127.0.0.1:" + port} }
	tests := []struct {
		name      string
		service   Service
		variables func(string) (string, bool)
		want      []Builder
		env       map[string]string
	}{
		{"buildkit", service("harbor.lan:443/hub/moby/buildkit:v0.16.0", "moby-buildkit"), nil,
			[]Builder{{0, []string{"moby-buildkit", "buildkitd"}, address, nil, nil, "running server on "}}, map[string]string{"BUILDKIT_HOST": "tcp://buildkitd:1234"}},
		{"buildkit without root, with options", with(service("moby/buildkit:rootless", "buildkitd"), "--oci-worker-no-process-sandbox"), vars("BUILDKIT_HOST", "tcp://x:1"),
			[]Builder{{0, []string{"buildkitd"}, []string{"--oci-worker-no-process-sandbox", "--addr=unix:///run/user/1000/buildkit/buildkitd.sock", address[1]}, nil, nil, "running server on "}}, nil},
		{"buildkit where the job says", with(service("moby/buildkit", "b"), "--addr", "tcp://0.0.0.0:5"), nil,
			[]Builder{{0, []string{"b"}, []string{"--addr", "tcp://0.0.0.0:5"}, nil, nil, "running server on "}}, nil},
		{"podman", service("quay.io/podman/stable@sha256:0", "quay.io-podman-stable"), nil,
			[]Builder{{0, []string{"quay.io-podman-stable", "podman"}, []string{"podman", "system", "service", "--time=0", "tcp:0.0.0.0:2375"}, []string{"CONTAINER_HOST"}, probe("2375"), "API service listening on "}},
			map[string]string{"CONTAINER_HOST": "tcp://podman:2375"}},
		{"podman by the job's command", with(service("podman/stable", "docker"), "podman", "system", "service", "-t", "0", "tcp://0.0.0.0:8080"), nil,
			[]Builder{{0, []string{"docker"}, []string{"podman", "system", "service", "-t", "0", "tcp://0.0.0.0:8080"}, []string{"CONTAINER_HOST"}, probe("8080"), "API service listening on "}}, nil},
		{"podman that does something else", with(service("podman/stable", "p"), "sleep", "1000"), nil, nil, nil},
		{"neither", service("example.com/my-moby/buildkit-dashboard", "b"), nil, nil, nil},
	}
	for _, test := range tests {
		got := mustDecide(t, Job{Services: []Service{test.service}, Variables: test.variables})
		if diff := cmp.Diff(test.want, got.Builders); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(test.env, got.BuildEnv); diff != "" {
			t.Errorf("%s: variables (-want +got):\n%s", test.name, diff)
		}
	}
	own := service("moby/buildkit", "b")
	own.Entrypoint = []string{"sh", "-c", "buildkitd"}
	for _, job := range []Job{{Services: []Service{own}}, {Mode: ModeOff, Services: []Service{service("moby/buildkit", "b")}}} {
		if got := mustDecide(t, job); got.Builders != nil {
			t.Errorf("%+v, want an ordinary service", got.Builders)
		}
	}
}

// with gives a service a command.
func with(s Service, command ...string) Service {
	s.Command = command
	return s
}
