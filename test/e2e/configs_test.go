package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/coordinator"
)

// TestNetworkModes runs one process with a [[runners]] table for each mode, told apart by their tags.
func TestNetworkModes(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	named := fmt.Sprintf("lced-e2e-%d", os.Getpid())
	if _, err := w.docker.NetworkCreate(t.Context(), named, client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.drain()
		if _, err := w.docker.NetworkRemove(cleanupContext(), named, client.NetworkRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	config := "concurrent = 4\ncheck_interval = 1\n"
	for i, mode := range []string{"host", "none", "bridge", named} {
		token := fmt.Sprintf("glrt-networkmode%d00000000", i)
		w.gitlab.AddRunner(coordinator.Runner{Token: token, Tags: []string{mode}})
		config += fmt.Sprintf("[[runners]]\n  name = %q\n  url = %q\n  token = %q\n  executor = \"docker\"\n  limit = 1\n  [runners.docker]\n    pull_policy = \"if-not-present\"\n    network_mode = %q\n", mode, w.url, token, mode)
	}
	w.writeConfig(config)
	w.startRunner()
	tagged := func(tag string, spec coordinator.JobSpec) coordinator.JobSpec {
		spec.Job.Tags = []string{tag}
		return spec
	}
	asks := func() coordinator.JobSpec {
		return beside(job("cat README", "nc one 6379 </dev/null", "nc two 6379 </dev/null", "nc lced-test-listener 6379 </dev/null"), listener("one,two", "1"))
	}
	pongs := func(t *testing.T, e ending) {
		succeeds("a file of the repository\n", "Waiting for services")(t, e)
		e.times(t, "+PONG\n", 3)
	}
	w.play([]scenario{
		{"host", tagged("host", job("cat README", "ls /sys/class/net")), succeeds("a file of the repository\n", "\ndocker0\n")},
		{"none", tagged("none", with(job("ls /sys/class/net"), "GIT_STRATEGY=none")), lacks(succeeds("\nlo\n"), "\neth0\n")},
		{"bridge", tagged("bridge", asks()), pongs},
		{"bridge, a service that dies", tagged("bridge", beside(job("echo the job goes on"), listener("one", "0"), dyingService())), succeeds("exit code 3", "\nthe job goes on\n")},
		{"named", tagged(named, asks()), pongs},
	})
}

// TestYAMLConfiguration runs a job by a config.yaml with the keys of config.toml.
func TestYAMLConfiguration(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	file := filepath.Join(w.dir, "config.yaml")
	text := fmt.Sprintf("concurrent: 1\ncheck_interval: 1\nrunners:\n- name: yaml\n  url: %s\n  token: %s\n  executor: docker\n  docker:\n    image: busybox:latest\n    pull_policy: if-not-present\n    privilegd: true\n", w.url, w.token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "run", "--config", file)
	var output syncBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j, log := w.run(job("echo by yaml"))
	succeeds("\nby yaml\n", "on yaml")(t, ending{j, log})
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the drained runner ends with %v\n%s", err, &output)
	}
	if !strings.Contains(output.String(), "config.yaml:11: runners.docker.privilegd: unknown key") {
		t.Errorf("it does not warn of the unknown key:\n%s", &output)
	}
}
