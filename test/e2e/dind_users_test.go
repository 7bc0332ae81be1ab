package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"lced-runner/internal/coordinator"
)

// TestDindRemappedUsers: on an engine that gives containers other users than the host's, only the sidecar has the host's. What it
// writes into the checkout is read by the job and cleaned up by the next one; layers stay. In between the engine reads its
// configuration again, which the next sidecar shows.
func TestDindRemappedUsers(t *testing.T) {
	t.Parallel()
	mirror := (&world{t: t, docker: engine(t)}).mirror()
	n := newNested(t, 2000, []string{"docker:latest", "docker:dind", "lced-runner:dev"}, "--userns-remap=default", "--registry-mirror=http://"+mirror)
	w := prepareWorld(t, filesToBuild(t))
	w.on(n, "", storageConfig)
	if f := w.findings(0, nil, "--no-job"); f["namespaces"][0] != "ok" || !strings.Contains(f["namespaces"][1], "userns-remap") || f["privileged containers"][0] != "ok" {
		t.Errorf("the doctor says %q and %q", f["namespaces"], f["privileged containers"])
	}
	w.startRunner()
	w.shareCheckout("165536", "starts with nothing; what it holds at the end stays")
	n.reload(`{"insecure-registries": ["reloaded.lan:5000"]}`, func(info system.Info) bool { return info.RegistryConfig.IndexConfigs["reloaded.lan:5000"] != nil })
	w.shareCheckout("165536", "Using cache", "registry reloaded.lan:5000\n")
}

// TestDindRootlessEngine: on an engine that runs without root itself a job has its sidecar, too. Its daemon can start containers
// where the host has cgroup v2; on another one the job says in one sentence why not.
func TestDindRootlessEngine(t *testing.T) {
	t.Parallel()
	mirror := (&world{t: t, docker: engine(t)}).mirror()
	n := newRootless(t, []string{"docker:latest", "docker:dind", "lced-runner:dev"}, "--registry-mirror=http://"+mirror)
	w := prepareWorld(t, filesToBuild(t))
	w.on(n, "", plainConfig)
	info, err := n.docker.Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nests := info.Info.CgroupVersion == "2"
	f := w.findings(0, nil, "--no-job")["namespaces"]
	if f[0] != map[bool]string{true: "ok", false: "warn"}[nests] || !strings.Contains(f[1], "(rootless)") {
		t.Errorf("the doctor says %q of an engine with cgroup v%s", f, info.Info.CgroupVersion)
	}
	w.startRunner()
	if nests {
		w.shareCheckout("1000")
		return
	}
	j, log := w.run(withService(dockerJob("docker:latest", nil, whichDaemon, "chmod 755 busybox", "docker build -t tiny ."), "docker:dind"))
	if said(t, log, "daemon=") == "" || j.State != coordinator.StateFailed || strings.Count(log, "so a daemon on it can start no container") != 1 {
		t.Errorf("state %s, want a failure that is explained:\n%s", j.State, log)
	}
}

// newRootless starts an engine of the test's own that runs without root, and gives it images.
func newRootless(t *testing.T, images []string, arguments ...string) *nested {
	t.Helper()
	requireTun(t)
	dir, err := os.MkdirTemp("/var/tmp", "nested")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := &nested{t: t, dir: dir}
	n.container = strings.TrimSpace(n.outer(append([]string{
		"run", "-d", "--privileged", "-v", dir + ":" + dir, "-e", "DOCKER_TLS_CERTDIR=", "-e", "DOCKER_HOST=unix://" + n.socket(), "docker:dind-rootless", "--tls=false",
	}, arguments...)...))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the nested engine's log:\n%s", n.outer("logs", "--tail", "40", n.container))
		}
		n.outer("rm", "-fv", n.container)
	})
	n.meet(images)
	return n
}

// filesToBuild are a repository with an image to build and a file to see in it.
func filesToBuild(t *testing.T) map[string]string {
	return map[string]string{
		"hello.txt": "hello from the checkout\n", "busybox": staticBusybox(t), "Dockerfile": "FROM scratch\nCOPY busybox /\nRUN [\"/busybox\", \"touch\", \"/made\"]\n",
	}
}

// shareCheckout runs a job whose sidecar reads its checkout and writes there as another user than the job's, who root on the
// host's side is, and finds nothing of what the last such job left. Its log has these texts.
func (w *world) shareCheckout(root string, texts ...string) {
	w.t.Helper()
	spec := withService(dockerJob("docker:latest", nil, whichDaemon, `echo "root is $(awk '{print $2; exit}' /proc/self/uid_map) on the host"`,
		"ls reply.txt made 2>/dev/null || true", `docker info --format '{{range $name, $of := .RegistryConfig.IndexConfigs}}{{println "registry" $name}}{{end}}'`,
		"chmod 755 busybox", "docker build -t tiny .",
		`docker run --rm -v "$CI_PROJECT_DIR:/w" tiny /busybox sh -c 'umask 077; cat /w/hello.txt; echo written in the sidecar >/w/reply.txt; chmod 644 /w/reply.txt; mkdir /w/made; echo deep >/w/made/secret'`,
		"cat reply.txt"), "docker:dind")
	j, log := w.run(spec)
	wantSuccess(w.t, j, log, append(texts, "\nroot is "+root+" on the host\n", "\nhello from the checkout\n", "\nwritten in the sidecar\n")...)
	if strings.Contains(log, "\nreply.txt\n") {
		w.t.Errorf("what the sidecar wrote is there for the next job:\n%s", log)
	}
}
