package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lced-runner/internal/coordinator"
)

// smallBoard runs more at once than fits into the memory of a runner that holds any of it: logs, artifacts and caches pass through.
const smallBoard = `
default: {image: "busybox:latest"}
.loud: &loud
  script:
    - dd if=/dev/zero bs=1M count=20 2>/dev/null | tr '\0' 'x' | fold -w 99
loud1: *loud
loud2: *loud
stored:
  cache: {key: k, paths: [cached]}
  artifacts: {paths: [big]}
  script:
    - dd if=/dev/urandom of=big bs=1M count=50
    - cp big cached
`

// TestSmallBoard gives the runner's container 48 MiB, swap included: a tenth of a board with 512 MiB. Its disk takes no more than a
// poor SD card's: 40 writes and 2 MB a second.
func TestSmallBoard(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.moveTo(t.TempDir())
	w.writeConfig(fmt.Sprintf("concurrent = 4\ncheck_interval = 1\n\n[[runners]]\n  name = \"e2e\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  output_limit = 65536\n  [runners.docker]%s", w.url, w.token, plainConfig))
	run := []string{"run", "-d", "--memory", "48m", "--memory-swap", "48m"}
	if disk := diskOf(t, w.dir); disk == "" {
		t.Logf("%s is on no disk of its own, which could be slowed down", w.dir)
	} else {
		run = append(run, "--device-write-bps", disk+":2mb", "--device-write-iops", disk+":40")
	}
	run = append(run, "-e", "LISTEN_ADDRESS=:9252", "-v", w.dir+":/etc/gitlab-runner", "-v", "/var/run/docker.sock:/var/run/docker.sock", "lced-runner:dev")
	id := strings.TrimSpace(command(t, "", "docker", run...))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the runner:\n%s", command(t, "", "docker", "logs", id))
		}
		command(t, "", "docker", "rm", "-f", "-v", id)
	})
	for _, j := range w.runPipeline("ci.yml", smallBoard) {
		if j.State != coordinator.StateSuccess {
			t.Errorf("job %s: state %s (%s)", j.Name, j.State, j.FailureReason)
		}
		if lines := strings.Count(string(w.gitlab.Trace(j.ID)), strings.Repeat("x", 99)+"\n"); strings.HasPrefix(j.Name, "loud") && lines != 20<<20/99 {
			t.Errorf("job %s: %d whole lines of its log arrived, want %d", j.Name, lines, 20<<20/99)
		}
	}
	metrics := fetch(t, "http://"+w.inspect(id).NetworkSettings.Networks["bridge"].IPAddress.String()+":9252/metrics")
	wantTexts(t, metrics, fmt.Sprintf("\ngo_memlimit_bytes %d\n", 48<<20*8/10))
	command(t, "", "docker", "kill", "-s", "QUIT", id)
	command(t, "", "docker", "wait", id)
	if s := w.inspect(id).State; s.OOMKilled || s.ExitCode != 0 {
		t.Errorf("the runner ended with exit code %d, out of memory: %v", s.ExitCode, s.OOMKilled)
	}
}

// diskOf is the whole disk, such as /dev/sda, that a directory is on; empty where its file system is not on one.
func diskOf(t *testing.T, dir string) string {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		t.Fatal(err)
	}
	device, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(device, "partition")); err == nil {
		device = filepath.Dir(device)
	}
	disk := "/dev/" + filepath.Base(device)
	if _, err := os.Stat(disk); err != nil {
		return ""
	}
	return disk
}
