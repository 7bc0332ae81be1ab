package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
	"lced-runner/internal/janitor"
)

// TestEngineFaults lets one runner meet an engine whose subnets are used up, one that stands still for a while, one that is
// killed under a script, with and without live-restore, one that is stopped under another and away for a while, one that is tidied up all the time, and
// one whose disk is full. No job is lost or
// blamed, and nothing is left on the engine. What takes minutes is tested with an engine that is made up (package executor).
func TestEngineFaults(t *testing.T) {
	t.Parallel()
	n := newNested(t, 700, []string{"busybox:latest", "lced-runner:dev"},
		"--bip", "172.29.0.1/24", "--default-address-pool", "base=172.30.0.0/24,size=26", "--storage-driver", "overlay2",
		"--registry-mirror", "http://"+gateway(t, engine(t))+":5055")
	w := prepareWorld(t, nil)
	w.on(n, "  min_free_disk = \"150m\"\n  min_free_memory = \"1m\"\n  disk_high_watermark = 100\n  disk_low_watermark = 100", everyPolicy)
	w.startRunner()
	w.awaitUp()

	w.noFreeSubnet()
	w.engineStandsStill(n)
	w.engineRestartsUnderItsContainers(n)
	w.engineIsKilled(n)
	w.engineIsAway(n)
	w.pruned(n)
	w.fullDisk(n)
}

// blamesTheEngine is the end of a job whose script lost its engine.
func blamesTheEngine(t *testing.T, e ending) {
	t.Helper()
	fails("runner_system_failure", 0, "begun\n")(t, e)
	if !strings.Contains(e.log, "the docker engine ") && !strings.Contains(e.log, "was ended from outside") {
		t.Errorf("the log does not say what happened:\n%s", e.log)
	}
}

// engineStandsStill stops the engine in the middle of a script's output, which all arrives later.
func (w *world) engineStandsStill(n *nested) {
	w.t.Helper()
	id := w.submit(job("echo begun", slowEntries))
	w.awaitLog(id, "begun\n")
	n.signal("STOP")
	time.Sleep(3 * time.Second) // longer than its pings may take
	n.signal("CONT")
	j, log := w.await(id)
	succeeds()(w.t, ending{j, log})
	wholeLog(w.t, log, 400)
}

// engineRestartsUnderItsContainers kills an engine with live-restore in the middle of a script's output, which all arrives but for what
// it had read and not passed on: that dies with it, and nobody else has it.
func (w *world) engineRestartsUnderItsContainers(n *nested) {
	w.t.Helper()
	n.liveRestore(true)
	id := w.submit(job("echo begun", slowEntries))
	w.awaitLog(id, "entry 20 ")
	n.end("KILL")
	j, log := w.await(id)
	succeeds()(w.t, ending{j, log})
	wholeLogBut(w.t, log, 400, 10)
	n.liveRestore(false)
}

// slowEntries is a script whose log wholeLog knows.
const slowEntries = "i=0; while [ $i -lt 400 ]; do echo entry $i of a long log; i=$((i+1)); sleep 0.01; done"

func (w *world) engineIsKilled(n *nested) {
	w.t.Helper()
	id := w.submit(job("echo begun", "sleep 300"))
	w.awaitLog(id, "begun\n")
	n.end("KILL")
	j, log := w.await(id)
	blamesTheEngine(w.t, ending{j, log})
}

// engineIsAway stops the engine under a script; a job that comes meanwhile waits for it.
func (w *world) engineIsAway(n *nested) {
	w.t.Helper()
	id := w.submit(job("echo begun", "sleep 300"))
	w.awaitLog(id, "begun\n")
	n.hold()
	n.signal("TERM")
	next := w.submit(job("echo back"))
	w.awaitSaid("cannot take jobs right now")
	n.release()
	j, log := w.await(id)
	blamesTheEngine(w.t, ending{j, log})
	j, log = w.await(next)
	succeeds("back\n")(w.t, ending{j, log})
}

// pruned removes all that is not in use, again and again, while a job makes it and before it is used. A job with an after_script has
// its container stopped between the two, which such a prune may meet as well.
func (w *world) pruned(n *nested) {
	w.t.Helper()
	over := make(chan struct{})
	var pruning sync.WaitGroup
	pruning.Go(func() {
		for {
			_ = exec.Command("docker", "-H", "unix://"+n.socket(), "system", "prune", "-f", "--volumes").Run()
			select {
			case <-over:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	j, log := w.run(beside(job("cat README"), ciyaml.Service{Image: ciyaml.Image{Name: "busybox:latest"}, Command: []string{"sleep", "1000"}}))
	close(over)
	pruning.Wait()
	succeeds("a file of the repository")(w.t, ending{j, log})
}

// noFreeSubnet fills the engine's pool with networks that seem to be left from jobs of this runner, then with those of others: the one that
// is kept for the next job is all that the runner can give up, once the job that has it has ended.
func (w *world) noFreeSubnet() {
	t := w.t
	t.Helper()
	id, _ := config.SystemID(w.dir)
	full := false
	for _, name := range []string{"left-1", "left-2", "left-3", "left-4", "left-5"} {
		_, err := w.docker.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Labels: map[string]string{"lced.runner": id}})
		full = full || err != nil
	}
	if !full {
		t.Fatal("the engine has subnets for all")
	}
	j, log := w.run(job("echo not stopped by that"))
	succeeds("the engine has no free subnet left", "unused networks of this runner", "not stopped by that\n")(t, ending{j, log})
	w.awaitNetworks(1)
	var others []string
	for full = false; !full; {
		made, err := w.docker.NetworkCreate(t.Context(), fmt.Sprint("others-", len(others)), client.NetworkCreateOptions{})
		if full = err != nil; !full {
			others = append(others, made.ID)
		}
	}
	one := w.submit(job("echo begun; " + untilGo))
	w.awaitLog(one, "begun\n")
	two := w.submit(job("echo not stopped by that either"))
	w.awaitLog(two, "removed 0 unused networks")
	w.letGo(w.containerOf(one, "build"))
	for _, id := range []int64{one, two} {
		j, log := w.await(id)
		succeeds()(t, ending{j, log})
	}
	if log := string(w.gitlab.Trace(two)); !strings.Contains(log, "removed 1 unused networks") {
		t.Errorf("the log does not say that the other job's network was given up:\n%s", log)
	}
	for _, id := range others {
		if _, err := w.docker.NetworkRemove(t.Context(), id, client.NetworkRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// fullDisk fills the engine's disk: no job is taken until the image that an earlier job pulled has made room.
func (w *world) fullDisk(n *nested) {
	t := w.t
	t.Helper()
	j, log := w.run(in("debian:bookworm-slim", "echo pulled"))
	succeeds("Pulling docker image debian:bookworm-slim", "pulled\n")(t, ending{j, log})
	ballast := filepath.Join(n.dir, "ballast")
	leaveFree(t, ballast, 140<<20)
	if j, log := w.run(job("echo there is room")); j.State != coordinator.StateSuccess {
		t.Errorf("state %s\n%s", j.State, log)
	}
	if _, err := n.docker.ImageInspect(t.Context(), "debian:bookworm-slim"); err == nil {
		t.Error("the image that a job pulled is still there")
	}
	if _, err := n.docker.ImageInspect(t.Context(), "busybox:latest"); err != nil {
		t.Errorf("an image that no job pulled is gone: %v", err)
	}
	// Now nothing is left that may go.
	leaveFree(t, ballast+"2", 50<<20)
	id := w.submit(job("echo at last"))
	w.awaitSaid("min_free_disk in [lced]")
	if err := os.Remove(ballast + "2"); err != nil {
		t.Fatal(err)
	}
	if j, log := w.await(id); j.State != coordinator.StateSuccess {
		t.Errorf("state %s\n%s", j.State, log)
	}
}

// leaveFree fills the disk of a file until that many bytes are left.
func leaveFree(t *testing.T, ballast string, bytes int64) {
	t.Helper()
	space, err := janitor.Disk(filepath.Dir(ballast))
	if err == nil {
		err = os.WriteFile(ballast, make([]byte, space.Free-bytes), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
