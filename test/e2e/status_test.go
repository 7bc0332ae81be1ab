package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lced-runner/internal/coordinator"
)

// TestStatus asks a runner that has a job what it does, by all its ways, and looks that none of them tells a secret.
func TestStatus(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	signs := t.TempDir()
	config := strings.Replace(string(plainConfig), "  [runners.dind]", "    volumes = [\""+signs+":/signs\"]\n  [runners.dind]", 1)
	w.configure(dockerConfig(config))
	w.writeConfig("listen_address = \"127.0.0.1:0\"\n" + readFile(t, filepath.Join(w.dir, "config.toml")))
	ask := func(args ...string) (string, error) {
		args = append(args, "--config", filepath.Join(w.dir, "config.toml"))
		out, err := exec.Command(binary(t), args...).CombinedOutput()
		return string(out), err
	}
	for _, command := range []string{"status", "health-check"} {
		if out, err := ask(command); err == nil || !strings.Contains(out, "no lced-runner runs with this configuration") {
			t.Errorf("%s without a runner: %v\n%s", command, err, out)
		}
	}
	w.startRunner()
	w.awaitSaid("serving metrics, health and status")
	address := regexp.MustCompile(`listen_address=([0-9.:]+)`).FindStringSubmatch(w.log.String())[1]
	get := func(path string) string { return fetch(t, "http://"+address+path) }
	const hidden = "a-secret-of-the-project"
	spec := dockerJob("docker:latest", nil, "echo began; until [ -e /signs/go ]; do sleep 0.2; done", "exit 3")
	spec.Variables = []coordinator.Variable{{Key: "SECRET", Value: hidden, Masked: true}}
	id := w.submit(spec)
	w.awaitLog(id, "\nbegan\n")

	text, err := ask("status")
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	wantTexts(t, text, "jobs: 1 of 4", " job ("+w.repo.Path+"): step_script for ", "\n  container runner-", "-build running of job 1", "\n  network ", "\n  volume ", "MiB free")
	if !regexp.MustCompile(`\n  network lced-[0-9a-f]+ +of job 1\n`).MatchString(text) {
		t.Errorf("it is not told which job has the network:\n%s", text)
	}
	asJSON, err := ask("status", "--json")
	if err != nil {
		t.Errorf("%v\n%s", err, asJSON)
	}
	wantTexts(t, asJSON, `"stage": "step_script"`, `"process": "running"`)
	health, err := ask("health-check", "--ready")
	if err != nil || !strings.Contains(health, "running, 1 of 4 jobs") {
		t.Errorf("%v\n%s", err, health)
	}
	jobs, page := get("/debug/jobs/list"), get("/")
	wantTexts(t, jobs, " state=running stage=step_script executor_stage=docker_run duration=")
	wantTexts(t, page, "<td>step_script</td>")
	wantTexts(t, get("/readyz"), "ok\n")
	if err := os.WriteFile(filepath.Join(signs, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.await(id)
	metrics := get("/metrics")
	for late := time.Now().Add(patience); !strings.Contains(metrics, `failure_reason="script_failure"`) && time.Now().Before(late); metrics = get("/metrics") {
		time.Sleep(50 * time.Millisecond) // GitLab knows of the ending a moment before the slot is free
	}
	wantTexts(t, metrics, `failure_reason="script_failure"`, `lced_job_startup_seconds_count{phase="total"} 1`, `lced_job_startup_seconds_count{phase="service ready"} 1`,
		`endpoint="patch_trace"`, `endpoint="update_job"`, `endpoint="request_job"`, `lced_engine_up{`, "\nlced_journal_entries ")
	for _, secret := range []string{w.token, hidden, "glcbt-"} {
		if strings.Contains(text+asJSON+health+jobs+page+metrics, secret) {
			t.Errorf("%q is told", secret)
		}
	}
	for _, stage := range []string{"prepare_executor", "get_sources", "step_script"} {
		if !regexp.MustCompile(`\ngitlab_runner_job_stage_duration_seconds_count\{[^}]*stage="` + stage + `"[^}]*\} 1\n`).MatchString(metrics) {
			t.Errorf("%s was not measured once:\n%s", stage, metrics)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fetch is what is served at an address.
func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
