package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// findings runs the doctor on the world's configuration and returns level and text of each check.
func (w *world) findings(wantCode int, env []string, args ...string) map[string][2]string {
	w.t.Helper()
	cmd := exec.Command(binary(w.t), append([]string{"doctor", "--json", "--config", filepath.Join(w.dir, "config.toml")}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, _ := cmd.Output()
	var report struct {
		OK       bool
		Findings []struct{ Level, Check, Text, Remedy string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		w.t.Fatalf("%v in %s\n%s", err, out, &errs)
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode || report.OK != (wantCode == 0) {
		w.t.Errorf("exit code %d, ok %v, want %d\n%s\n%s", code, report.OK, wantCode, out, &errs)
	}
	found := map[string][2]string{}
	for _, f := range report.Findings {
		if f.Level == "fail" && f.Remedy == "" {
			w.t.Errorf("%s says not how to mend it: %s", f.Check, f.Text)
		}
		if known := found[f.Check]; known[0] != "fail" {
			found[f.Check] = [2]string{f.Level, f.Text}
		}
	}
	return found
}

// TestDoctor examines a machine that can do all, then one thing after the other that is wrong.
func TestDoctor(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure(plainConfig)
	found := w.findings(0, nil)
	for check, text := range map[string]string{
		"configuration": "has 1 runners", "gitlab": "knows this runner (id 1)", "clock": "agrees", "engine": "Docker ", "host": "processors",
		"storage driver": "data in /", "cgroups": "version", "namespaces": "root", "helper image": "sha256:", "privileged containers": "allows them to sidecars",
		"memory": "available", "disk": "are free", "iptables": "back end", "architecture": "amd64", "mtu": " on the default bridge", "dns": "containers ask",
		"docker-in-docker": "storage overlay2",
	} {
		if f := found[check]; f[0] != "ok" && check != "cgroups" && check != "registry" || !strings.Contains(f[1], text) {
			t.Errorf("%s is %s %q, want ok with %q", check, f[0], f[1], text)
		}
	}
	if left := w.foreign(); len(left) > 0 {
		t.Errorf("the doctor leaves %v", left)
	}

	w.token = "glrt-other"
	w.configure(`
    image = "localhost:1/none:latest"
  [runners.dind]
    privileged = false
`)
	found = w.findings(1, nil)
	for check, want := range map[string][2]string{
		"gitlab": {"fail", "refuses the token"}, "registry": {"fail", "cannot be asked"}, "privileged containers": {"warn", "allows them to nobody"},
	} {
		if f := found[check]; f[0] != want[0] || !strings.Contains(f[1], want[1]) {
			t.Errorf("%s is %q, want %q", check, f, want)
		}
	}
	if f, made := found["docker-in-docker"]; made {
		t.Errorf("a sidecar that nobody allows: %q", f)
	}
	if f := w.findings(1, []string{"DOCKER_HOST=unix:///none.sock"})["engine"]; f[0] != "fail" || !strings.Contains(f[1], "does not exist") {
		t.Errorf("an engine that is not there: %q", f)
	}
	w.writeConfig("concurrent = \n")
	if f := w.findings(1, nil, "--no-job")["configuration"]; f[0] != "fail" || !strings.Contains(f[1], "config.toml:1") {
		t.Errorf("a broken file: %q", f)
	}
}

// foreign are the containers of a doctor's job, which alone has a GitLab on the loopback interface.
func (w *world) foreign() (left []string) {
	w.t.Helper()
	res, err := w.docker.ContainerList(w.t.Context(), client.ContainerListOptions{All: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range res.Items {
		if strings.Contains(c.Labels["com.gitlab.gitlab-runner.job.url"], "//127.0.0.1:") {
			left = append(left, strings.Join(c.Names, ","))
		}
	}
	return left
}
