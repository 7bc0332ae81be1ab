package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// lockHolder is a service that takes the lock of the stages of a project when the script wants that, until it is let go.
const lockHolder = `until [ -e /builds/hold ]; do sleep 0.1; done
exec 9<>"$(cat /builds/hold)"; flock 9; touch /builds/held; ` + untilGo + `; rm /builds/hold /builds/held`

// TestRestart kills the runner while jobs are where its death may hurt most, and lets things happen while it is away: a user
// cancels, a container is removed, a timeout passes. The next process brings each job to its true end.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig("concurrent = 8\ncheck_interval = 1\n" + strings.Replace(w.entry("restarted"), "  limit = 1\n", "", 1))
	w.startRunner()
	none := func(spec coordinator.JobSpec) coordinator.JobSpec { return with(spec, "GIT_STRATEGY=none") }
	canceledOne := w.submit(none(after(job(forever), "echo after $CI_JOB_STATUS")))
	late := w.submit(none(timeout(25, after(job(forever), "echo never"))))
	gone := w.submit(none(job(forever)))
	dind := w.submit(none(dockerJob("docker:latest", nil, whichDaemon, "docker volume create kept-volume", "echo ready; "+untilGo, "docker volume ls -q | grep kept-volume; echo $(docker info --format '{{.Name}}') is the same")))
	spec := beside(job("echo content >file", `echo "$CI_PROJECT_DIR.tmp/.lced-runner.lock" >/builds/hold; until [ -e /builds/held ]; do sleep 0.1; done`),
		ciyaml.Service{Image: ciyaml.Image{Name: "debian:bookworm-slim"}, Command: []string{"bash", "-c", lockHolder}})
	spec.Job.Caches = []ciyaml.Cache{{Key: "key", Paths: []string{"file"}}}
	spec.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"file"}}
	saving := w.submit(spec)
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Job: saving, Hold: patience})
	for id, text := range map[int64]string{canceledOne: "begun\n", late: "begun\n", gone: "begun\n", dind: "ready\n", saving: "Waiting for an earlier stage"} {
		w.awaitLog(id, text)
	}
	holder := w.containerOf(saving, "service")

	w.signal(syscall.SIGKILL)
	w.waitExit()
	w.gitlab.Cancel(canceledOne)
	if _, err := w.docker.ContainerRemove(t.Context(), w.containerOf(gone, "build"), client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	w.startRunner()
	begun := time.Now()
	j, log := w.await(gone)
	t.Logf("a job whose container is gone is reported %v after the start", time.Since(begun).Round(time.Millisecond))
	fails("runner_system_failure", 0, "begun\n", "is gone: it was removed from outside")(t, ending{j, log})
	j, log = w.await(canceledOne)
	canceled(t, ending{j, log}, "after canceled\n")

	// In the middle of archive_cache; then when GitLab has the archive, and nobody was told.
	w.awaitLog(saving, "this stage begins again")
	w.letGo(holder)
	w.awaitArtifact(saving)
	w.restart(syscall.SIGKILL)
	j, log = w.await(saving)
	succeeds("Created cache")(t, ending{j, log})
	ending{j, log}.times(t, "this stage begins again", 2)
	if files := coordinator.ArtifactsOf(w.gitlab).List(saving); len(files) != 1 {
		t.Errorf("artifacts %v", files)
	}

	w.letGo(w.containerOf(dind, "build"))
	j, log = w.await(dind)
	succeeds("\nkept-volume\n", said(t, log, "daemon=")+" is the same\n")(t, ending{j, log})
	j, log = w.await(late)
	lacks(fails("job_execution_timeout", 0, "execution took longer than 25s"), "never\n")(t, ending{j, log})
	ending{j, log}.times(t, "begun\n", 1)
}

// awaitArtifact waits until GitLab has an artifact of a job that runs.
func (w *world) awaitArtifact(id int64) {
	w.t.Helper()
	for late := time.Now().Add(patience); len(coordinator.ArtifactsOf(w.gitlab).List(id)) == 0; time.Sleep(50 * time.Millisecond) {
		if j, _ := w.gitlab.Job(id); j.Ended() || time.Now().After(late) {
			w.t.Fatalf("job %d uploads no artifact: %s\n%s", id, j.State, w.gitlab.Trace(id))
		}
	}
}

// TestReboot ends the machine, as far as a runner can see it: containers are dead, and the kernel has another boot id. No job
// goes on; what a script had written before the end is in its log, and no file variable stays on the disk.
func TestReboot(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure(plainConfig)
	w.boot("first")
	w.startRunner()
	secret := coordinator.Variable{Key: "SECRET_FILE", Value: "a secret", File: true}
	running := job(`echo begun; cat "$SECRET_FILE"; `+untilGo, "echo; echo the last words; sleep 1000")
	running.Variables = append(running.Variables, secret)
	script := w.submit(running)
	starting := patched(job("echo never"), func(payload map[string]any) {
		payload["hooks"] = []any{map[string]any{"name": "pre_get_sources_script", "script": []any{`cat "$SECRET_FILE"; echo the hook; sleep 1000`}}}
	})
	starting.Variables = append(starting.Variables, secret)
	preparing := w.submit(starting)
	w.awaitLog(script, "begun\n")
	w.awaitLog(preparing, "the hook\n")
	w.signal(syscall.SIGKILL)
	w.waitExit()
	build := w.containerOf(script, "build")
	w.letGo(build)
	awaitSaid(t, func() string { return command(t, "", "docker", "logs", build) }, "\nthe last words\n")
	if files := w.findIn("/builds", "-name", "SECRET_FILE"); strings.Count(files, "\n") != 2 {
		t.Errorf("the file variables of two jobs are at %q", files)
	}
	id, _ := config.SystemID(w.dir)
	list, err := w.docker.ContainerList(t.Context(), client.ContainerListOptions{Filters: client.Filters{}.Add("label", "lced.runner="+id)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		if _, err := w.docker.ContainerKill(t.Context(), c.ID, client.ContainerKillOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.boot("second")
	w.startRunner()
	j, log := w.await(script)
	fails("runner_system_failure", 0, "begun\na secret", "the last words\n", "the machine was restarted while this job was running")(t, ending{j, log})
	j, log = w.await(preparing)
	lacks(fails("runner_system_failure", 0, "a secret", "the machine was restarted while this job was being prepared"), "never\n")(t, ending{j, log})
	if files := w.findIn("/builds", "-name", "SECRET_FILE"); files != "" {
		t.Errorf("file variables are left on the disk: %s", files)
	}
}
