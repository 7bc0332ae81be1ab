package dind

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadyProbe runs the probe with a docker command that fails twice before it answers.
func TestReadyProbe(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "probe") // short enough for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	docker := "#!/bin/sh\necho \"$DOCKER_HOST $* $DOCKER_TLS_VERIFY\" >>" + dir + "/calls\n[ $(wc -l <" + dir + "/calls) -ge 3 ]\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}

	command := ReadyProbe(KindSharedSocket, "")
	probe := exec.CommandContext(t.Context(), command[0], command[1:]...)
	probe.Env = []string{"PATH=" + dir + ":/usr/local/bin:/usr/bin:/bin", "DOCKER_HOST=unix://" + socket, "DOCKER_TLS_VERIFY=1"}
	if out, err := probe.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("probe: %v, output %q", err, out)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if want := strings.Repeat("unix://"+socket+" version \n", 3); err != nil || string(calls) != want {
		t.Errorf("docker was called with %q (%v), want %q", calls, err, want)
	}
}

func TestReadyProbeWithoutClient(t *testing.T) {
	t.Parallel()
	command := ReadyProbe(KindTLS, "")
	shell, err := exec.LookPath(command[0])
	if err != nil {
		t.Fatal(err)
	}
	probe := exec.CommandContext(t.Context(), shell, command[1:]...)
	probe.Env = []string{"PATH=" + t.TempDir()}
	if err := probe.Run(); err == nil || probe.ProcessState.ExitCode() != 127 {
		t.Errorf("probe without a docker command: %v, want exit code 127", err)
	}
	for _, kind := range []string{KindNone, KindSocket} {
		if ReadyProbe(kind, "/var/lib/docker") != nil {
			t.Errorf("kind %q has a probe but no sidecar", kind)
		}
	}
}
