package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// warmConfig keeps sidecars ready, and their images.
const warmConfig = storageConfig + `
    warm = "auto"
`

// isWarm is what the log of a job says whose sidecar was there before it.
const isWarm = "was started before the job"

// TestWarm: the second job of a project finds its sidecar started, with a network and certificates that no other job had,
// and the checkout in it. It is used once. Any other kind of job gets a fresh one, and so does one whose spare has died. What is
// kept outlives the runner's death, but not its end.
func TestWarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, warmConfig, map[string]string{"busybox": staticBusybox(t), "hello.txt": "hello from the checkout\n"})
	spec := dockerJob("docker:latest", nil, whichDaemon,
		`echo "images=$(docker images -q tiny | wc -l)"`,
		`echo "authority=$(cksum <$DOCKER_CERT_PATH/ca.pem)"`, `echo "network=$CI_BUILD_NETWORK_NAME"`,
		`chmod 755 busybox; tar -c busybox | docker import - tiny`,
		`docker run --rm -v "$CI_PROJECT_DIR:/w" tiny /busybox cat /w/hello.txt`)
	seen := map[string]bool{}
	images := "0"
	run := func(warm bool, spec coordinator.JobSpec) string {
		t.Helper()
		j, log := w.run(spec)
		wantSuccess(t, j, log, "\nhello from the checkout\n")
		if got := said(t, log, "images="); got != images {
			t.Errorf("%s images of earlier jobs, want %s:\n%s", got, images, log)
		}
		images = "1"
		if strings.Contains(log, isWarm) != warm {
			t.Errorf("the job's sidecar was started before it: %v, want %v:\n%s", !warm, warm, log)
		}
		own := []string{"daemon=", "authority="}
		if warm { // else it may be one that was kept of an earlier job
			own = append(own, "network=")
		}
		for _, own := range own {
			if value := own + said(t, log, own); seen[value] {
				t.Errorf("two jobs had %s", value)
			} else {
				seen[value] = true
			}
		}
		return said(t, log, "daemon=")
	}
	run(false, spec)
	first := w.awaitSpare()
	if got := run(true, spec); got != first.ID[:12] {
		t.Errorf("the job had sidecar %s, kept was %s", got, first.ID[:12])
	}
	second := w.awaitSpare(first.ID)
	w.assertGone(first)

	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.startRunner()
	if got := run(true, spec); got != second.ID[:12] {
		t.Errorf("after a restart the job had sidecar %s, kept was %s", got, second.ID[:12])
	}
	third := w.awaitSpare(first.ID, second.ID)
	run(false, withService(spec, "docker:dind", "--debug"))
	fourth := w.awaitSpare(third.ID)
	w.assertGone(third)
	run(true, withService(spec, "docker:dind", "--debug"))

	dead := w.awaitSpare(fourth.ID)
	if _, err := w.docker.ContainerKill(t.Context(), dead.ID, client.ContainerKillOptions{}); err != nil {
		t.Fatal(err)
	}
	run(false, withService(spec, "docker:dind", "--debug"))
	w.awaitSpare(dead.ID)
	w.assertGone(dead)

	// The job goes on with its sidecar in the next process, and nobody else gets that.
	begun := w.submit(withService(dockerJob("docker:latest", nil, whichDaemon, "echo begun", "sleep 1000"), "docker:dind", "--debug"))
	w.awaitLog(begun, "\nbegun\n")
	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.configure(warmConfig + "    warm_free_memory = \"1000t\"\n")
	w.startRunner()
	w.gitlab.Cancel(begun)
	if j, log := w.await(begun); j.State != coordinator.StateCanceled || !strings.Contains(log, isWarm) {
		t.Errorf("the job with a warm sidecar ended in the next process as %s:\n%s", j.State, log)
	}
	run(false, spec)
	w.drain()
	if left := w.spares(); len(left) > 0 {
		t.Errorf("%d sidecars are kept ready, although there is too little memory: %v", len(left), left)
	}
}

// spares are the sidecars that are kept and that no job has.
func (w *world) spares() []container.Summary {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	res, err := w.docker.ContainerList(w.t.Context(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", "lced.runner="+id).Add("label", "lced.spare").Add("label", "com.gitlab.gitlab-runner.type=service"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(res.Items, func(c container.Summary) bool { return !strings.HasSuffix(c.Names[0], "-spare") })
}

// awaitSpare waits for the one that is kept, other than these.
func (w *world) awaitSpare(not ...string) container.Summary {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		found := slices.DeleteFunc(w.spares(), func(c container.Summary) bool {
			ready := strings.Contains(w.log.String(), strings.TrimPrefix(c.Names[0], "/"))
			return slices.Contains(not, c.ID) || c.State != container.StateRunning || !ready
		})
		if len(found) == 1 {
			return found[0]
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d sidecars are kept ready, want one\n%s", len(found), w.log)
		}
	}
}

// assertGone fails the test unless a sidecar is gone, with its network and its certificates.
func (w *world) assertGone(c container.Summary) {
	w.t.Helper()
	gone := func(what string, err error) {
		w.t.Helper()
		if !errdefs.IsNotFound(err) {
			w.t.Errorf("%s of a sidecar that was used is still there (%v)", what, err)
		}
	}
	ctx := w.t.Context()
	_, err := w.docker.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
	gone("the container", err)
	for name := range c.NetworkSettings.Networks {
		_, err := w.docker.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
		gone("network "+name, err)
	}
	for _, m := range c.Mounts {
		if strings.Contains(m.Name, "-certs-") {
			_, err := w.docker.VolumeInspect(ctx, m.Name, client.VolumeInspectOptions{})
			gone("volume "+m.Name, err)
		}
	}
}
