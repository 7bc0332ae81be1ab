package dind

import "testing"

func TestKeepsContract(t *testing.T) {
	t.Parallel()
	for image, onlySays := range map[string]bool{
		"docker:dind": false, "harbor.example.com/library/docker:27-dind": false, "docker:dind-rootless": false,
		"registry.example.com/ci/dind:latest": true, "ubuntu-dind": true, "postgres:16": false,
	} {
		if got := OnlySaysDind(image); got != onlySays {
			t.Errorf("OnlySaysDind(%q) = %v", image, got)
		}
	}
	for _, test := range []struct {
		name                string
		entrypoint, volumes []string
		want                bool
	}{
		{"docker:dind", []string{"dockerd-entrypoint.sh"}, []string{"/var/lib/docker"}, true},
		{"docker:dind-rootless", []string{"dockerd-entrypoint.sh"}, []string{"/home/rootless/.local/share/docker"}, true},
		{"made from docker:dind, with an entrypoint of its own", []string{"/add-authority.sh"}, []string{"/var/lib/docker"}, true},
		{"bare daemon", []string{"/usr/bin/dockerd"}, nil, true},
		{"a dashboard for dind", []string{"/dashboard"}, []string{"/data"}, false},
		{"nothing", nil, nil, false},
	} {
		if got := KeepsContract(test.entrypoint, test.volumes); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		image     string
		dind, cli bool
	}{
		{"docker", true, true},
		{"docker:dind", true, true},
		{"docker:latest", true, true},
		{"docker:24", true, true},
		{"docker:29.1.3", true, true},
		{"docker:27-dind", true, true},
		{"docker:20.10-dind", true, true},
		{"docker:stable-dind", true, true},
		{"docker:27-dind-rootless", true, true},
		{"docker:dind-rootless", true, true},
		{"docker.io/library/docker:27", true, true},
		{"harbor.example/library/docker:27-dind", true, true},
		{"registry:5000/x/docker:dind", true, true},
		{"registry:5000/x/docker", true, true},
		{"docker:27-dind@sha256:0123", true, true},
		{"docker@sha256:0123", true, true},
		{"lan/ci/my-dind:3", true, false},
		{"lan/ci/engine:3-dind", true, false},
		{"docker:cli", false, true},
		{"docker:27-cli", false, true},
		{"docker:27-cli@sha256:0123", false, true},
		{"docker:git", false, true},
		{"docker:20.10", false, true},
		{"docker:stable", false, true},
		{"docker/compose:latest", false, false},
		{"lan/docker/web", false, false},
		{"mydocker:dindle", false, false},
		{"alpine", false, false},
		{"", false, false},
	}
	for _, test := range tests {
		if got := IsDind(test.image); got != test.dind {
			t.Errorf("IsDind(%q) = %v", test.image, got)
		}
		if got := HasDockerCLI(test.image); got != test.cli {
			t.Errorf("HasDockerCLI(%q) = %v", test.image, got)
		}
	}
}
