package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// TestRegisterInContainer registers as operators of the image do: into a directory that is mounted where bitnami's image has
// it, and into a file that is mounted by itself, which cannot be replaced.
func TestRegisterInContainer(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	register := func(name string, mount ...string) string {
		args := append([]string{"run", "--rm"}, mount...)
		return command(t, "", "docker", append(args, "lced-runner:dev", "register", "--non-interactive", "--url", w.url, "--token", w.token,
			"--name", name, "--docker-image", "busybox:latest")...)
	}
	top := t.TempDir()
	wantTexts(t, register("one", "-v", top+":/home/gitlab-runner"), "Runner registered successfully", `"/home/gitlab-runner/.gitlab-runner/config.toml"`)
	file := filepath.Join(top, ".gitlab-runner", "config.toml")
	before, err := os.Stat(file)
	if err != nil || before.Mode().Perm() != 0o600 {
		t.Fatalf("%v, mode %v", err, before.Mode())
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("# mine\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	register("two", "-v", file+":/etc/gitlab-runner/config.toml")
	after, err := os.Stat(file)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the mounted file is another one now (%v): the container would not see what its host writes", err)
	}
	c, _, err := config.Load(file, os.Getenv)
	if err != nil || len(c.Runners) != 2 || c.Runners[0].Name != "one" || c.Runners[1].Name != "two" {
		t.Fatalf("%v, %+v", err, c)
	}
	if text, _ := os.ReadFile(file); !strings.HasPrefix(string(text), "# mine\n") {
		t.Errorf("the comment is lost:\n%s", text)
	}
}

// TestTokenRotation lets the token of a running runner come to its end: it goes on with another one, which the file has too.
func TestTokenRotation(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.gitlab.AddRunner(coordinator.Runner{Token: w.token, RunUntagged: true, TokenLifetime: time.Hour})
	now := time.Now().UTC()
	w.writeConfig("check_interval = 1\n" + strings.Replace(w.entry("one"), "  executor", fmt.Sprintf("  token_obtained_at = %s\n  token_expires_at = %s # soon\n  executor",
		now.Format(time.RFC3339), now.Add(4*time.Second).Format(time.RFC3339)), 1))
	w.startRunner()
	token := func() string { return coordinator.RunnersOf(w.gitlab)[0].Token }
	for late := time.Now().Add(patience); token() == w.token; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the token is still the old one\n%s", w.log)
		}
	}
	j, log := w.run(job("echo with the new token"))
	wantSuccess(t, j, log, "\nwith the new token\n")
	w.drain()
	text, err := os.ReadFile(filepath.Join(w.dir, "config.toml"))
	if err != nil || !strings.Contains(string(text), token()) || strings.Contains(string(text), w.token) || !strings.Contains(string(text), "# soon") {
		t.Errorf("%v; the file is:\n%s", err, text)
	}
	if strings.Contains(w.log.String(), token()) || strings.Contains(w.log.String(), "refuses this runner") {
		t.Errorf("the log shows the token, or that polling was disturbed:\n%s", w.log)
	}
}
