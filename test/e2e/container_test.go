package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// TestCompose starts the runner as the notes do: deploy/compose.yaml, a directory tree beside it, and a config.toml in
// which only url and token were filled in. Then it is reloaded, upgraded with a job running, drained, replaced and stopped as
// the README says.
func TestCompose(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	top := t.TempDir()
	file := filepath.Join(top, "compose.yaml")
	copyFile(t, filepath.Join("..", "..", "deploy", "compose.yaml"), file)
	upgrade := w.unnamedImage("lced-runner:dev")
	w.moveTo(filepath.Join(top, "gitlab-runner-region", ".gitlab-runner"))
	w.writeConfig(w.notesConfig("config-3.toml"))

	// Another name than the file's cicd: tests share the engine.
	project := "cicd" + strings.ToLower(rand.Text()[:8])
	compose := func(args ...string) string {
		program, err := filepath.Abs(filepath.Join("..", "..", ".cache", "docker-compose"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(program); err != nil {
			required(t, "no docker compose: run test/engine/compose.sh")
		}
		return command(t, top, program, append([]string{"-p", project}, args...)...)
	}
	seen := w.watchServices()
	compose("up", "-d")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the runner:\n%s", compose("logs"))
		}
		compose("down", "--timeout", "60")
	})
	id := strings.TrimSpace(compose("ps", "-q", "gitlab-runner"))
	older := w.inspect(id).Image

	j, log := w.run(withService(dockerJob("docker:latest", nil, whichDaemon, "cat README",
		`echo "bridge=$(docker network inspect bridge --format '{{index .Options "com.docker.network.driver.mtu"}}')"`), "docker:latest"))
	wantSuccess(t, j, log, "(mode tls)", "\na file of the repository\n", "\nbridge="+uplinkMTU(t)+"\n")
	if s := sidecarOf(t, seen(), j.ID); said(t, log, "daemon=") != s.host() {
		t.Errorf("docker is not the sidecar %s:\n%s", s.host(), log)
	}
	wantTexts(t, log, "Using helper image: "+w.inspect(id).Image)

	docker := func(args ...string) string { return command(t, "", "docker", args...) }
	logs := func(texts ...string) {
		awaitSaid(t, func() string { return compose("logs", "--no-color") }, texts...)
	}
	wantTexts(t, docker("exec", id, "gitlab-runner", "health-check", "--ready"), "running, 0 of ")
	w.writeConfig("concurrent = \n")
	compose("kill", "-s", "HUP", "gitlab-runner")
	logs("SIGHUP: reading the configuration again", "the new configuration is refused, the old one stays", "config.toml:1:")
	w.writeConfig(strings.Replace(w.notesConfig("config-3.toml"), "concurrent = ", "check_interval = 1\nconcurrent = 1", 1))
	compose("kill", "-s", "HUP", "gitlab-runner")
	logs("the new configuration is in use")

	// Upgraded with a job, which goes on under the new image with the helper that it has; the next one has a new helper.
	spec := job("echo began", "until [ -e /tmp/go ]; do sleep 0.2; done", "echo done")
	spec.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"README"}}
	long := w.submit(spec)
	w.awaitLog(long, "\nbegan\n")
	replace(t, file, "lced-runner:latest", upgrade)
	compose("up", "-d")
	second := strings.TrimSpace(compose("ps", "-q", "gitlab-runner"))
	if second == id || w.inspect(second).Image != upgrade {
		t.Errorf("container %s with image %s after %s", second, w.inspect(second).Image, id)
	}
	logs("taking jobs")

	// Drained with the same job: it ends well before the container does, which then stays down.
	docker("update", "--restart=no", second)
	docker("kill", "-s", "SIGQUIT", second)
	logs("waiting for the running ones")
	for _, one := range w.runningContainers(long) {
		if strings.HasSuffix(one, "-build") {
			docker("exec", one, "touch", "/tmp/go")
		}
	}
	if code := strings.TrimSpace(docker("wait", second)); code != "0" {
		t.Errorf("the drained runner's exit code is %s", code)
	}
	j, log = w.await(long)
	wantSuccess(t, j, log, "\nbegan\n", "\ndone\n", "Using helper image: "+older+"\x1b")
	if files := coordinator.ArtifactsOf(w.gitlab).List(long); len(files) != 1 {
		t.Errorf("artifacts %v", files)
	}

	compose("up", "-d", "--force-recreate")
	next := strings.TrimSpace(compose("ps", "-q", "gitlab-runner"))
	if next == second {
		t.Error("the container was not replaced")
	}
	j, log = w.run(job("true"))
	wantSuccess(t, j, log, "Using helper image: "+upgrade+"\x1b")
	docker("stop", "--time", "60", next)
	if s := w.inspect(next).State; s.ExitCode != 0 || s.Running {
		t.Errorf("the stopped runner's state is %s, exit code %d", s.Status, s.ExitCode)
	}
}

// TestOwnImage starts the runner as gitlab-runner's images are started, from an image that no name leads to: its helpers
// can only be made from it if the runner finds out what it runs from, which its host name does not tell. Only the files of its
// directory are mounted, so that nobody could go on with a job: a stop ends it.
func TestOwnImage(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.moveTo(t.TempDir())
	w.configure(plainConfig)
	image := w.unnamedImage("lced-runner:dev")
	id := strings.TrimSpace(command(t, "", "docker", "run", "-d", "--hostname", "board",
		"-v", w.dir+"/config.toml:/etc/gitlab-runner/config.toml", "-v", w.dir+"/.runner_system_id:/etc/gitlab-runner/.runner_system_id",
		"-v", "/var/run/docker.sock:/var/run/docker.sock",
		image, "run", "--user=gitlab-runner", "--working-directory=/home/gitlab-runner"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the runner:\n%s", command(t, "", "docker", "logs", id))
		}
		command(t, "", "docker", "rm", "-f", "-v", id)
	})
	runner := w.inspect(id)
	if runner.Image != image {
		t.Fatalf("the runner's container has the image %s, want %s", runner.Image, image)
	}
	j, log := w.run(job("cat README"))
	wantSuccess(t, j, log, "\na file of the repository\n", "Using helper image: "+image+"\x1b")

	last := w.submit(with(job(forever), "GIT_STRATEGY=none"))
	w.awaitLog(last, "begun\n")
	command(t, "", "docker", "stop", "--time", "60", id)
	if s := w.inspect(id).State; s.ExitCode != 0 {
		t.Errorf("the stopped runner's exit code is %d", s.ExitCode)
	}
	j, log = w.await(last)
	fails("runner_interrupted", 0, "begun\n", "aborted: terminated")(t, ending{j, log})
}

// TestImageContents is what the image promises to those who replace gitlab-runner's by it, and to git.
func TestImageContents(t *testing.T) {
	t.Parallel()
	w := &world{t: t, docker: engine(t)}
	res, err := w.docker.ImageInspect(t.Context(), "lced-runner:dev")
	if err != nil {
		t.Fatal(err)
	}
	c := res.Config
	if c.StopSignal != "SIGTERM" || len(c.Volumes) > 0 ||
		!slices.Equal(c.Entrypoint, []string{"/usr/bin/lced-runner"}) ||
		!slices.Equal(c.Cmd, []string{"run", "--user=gitlab-runner", "--working-directory=/home/gitlab-runner"}) {
		t.Errorf("stop signal %s, volumes %v, entrypoint %q, command %q", c.StopSignal, c.Volumes, c.Entrypoint, c.Cmd)
	}
	out := command(t, "", "docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", "lced-runner:dev", "-ec", `
		gitlab-runner --version | grep ^Version:
		git --version
		git lfs version
		ssh -V 2>&1
		bash --version | head -n 1
		git init -q /tmp/repository
		cd /tmp/repository
		bash -c '. "$(git --exec-path)/git-sh-setup" && echo "shell tools in $(cd "$GIT_DIR" && pwd)"'
		git submodule status && echo submodules
		echo "tmp $(stat -c %a /tmp)"
		grep ^gitlab-runner: /etc/passwd
		echo "home of $(stat -c %u /home/gitlab-runner)"
		test -d /etc/gitlab-runner
		echo "authorities=$(grep -c BEGIN /etc/ssl/certs/ca-certificates.crt)"
		echo end`)
	wantTexts(t, out, "Version:      dev\n", "git version 2.", "git-lfs/", "OpenSSH", "GNU bash", "\nshell tools in /tmp/repository/.git\n", "\nsubmodules\n", "\ntmp 1777\n",
		"gitlab-runner:x:999:999:", "home of 999\n", "\nend\n")
	if n, err := strconv.Atoi(said(t, out, "authorities=")); err != nil || n < 100 {
		t.Errorf("%d certificate authorities (%v), Mozilla trusts above 100", n, err)
	}
}

// notesConfig is one of the notes' configurations with the world's url and token.
func (w *world) notesConfig(name string) string {
	w.t.Helper()
	return strings.NewReplacer(`"URL"`, `"`+w.url+`"`, `"TOKEN"`, `"`+w.token+`"`).Replace(notes(w.t, name))
}

// moveTo has the configuration in another directory.
func (w *world) moveTo(dir string) {
	w.t.Helper()
	w.dir = dir
	if _, warning := config.SystemID(dir); warning != nil {
		w.t.Fatal(warning)
	}
}

// unnamedImage is an image like another one, with an id of its own and no name.
func (w *world) unnamedImage(from string) (id string) {
	w.t.Helper()
	cmd := exec.Command("docker", "build", "-q", "-")
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	cmd.Stdin = strings.NewReader("FROM " + from + "\nLABEL lced.test.unnamed=" + rand.Text() + "\n")
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("docker build: %v", err)
	}
	id = strings.TrimSpace(string(out))
	w.t.Cleanup(func() {
		if _, err := w.docker.ImageRemove(cleanupContext(), id, client.ImageRemoveOptions{Force: true}); err != nil {
			w.t.Error(err)
		}
	})
	return id
}

func (w *world) inspect(id string) container.InspectResponse {
	w.t.Helper()
	res, err := w.docker.ContainerInspect(w.t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Container
}

// command runs a program and returns what it prints to stdout.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, &errs)
	}
	return string(out)
}

// replace changes a text in a file, where it must be.
func replace(t *testing.T, file, old, now string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil && !strings.Contains(string(text), old) {
		err = fmt.Errorf("%s has no %q", file, old)
	}
	if err == nil {
		err = os.WriteFile(file, []byte(strings.Replace(string(text), old, now, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
