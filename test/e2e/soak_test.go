package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
)

// How much more the runner process may hold after the last job of a soak than after its first tenth. Go returns memory to
// the kernel late, so that some MiB say nothing; a leak of 50 KiB a job shows at 300 jobs. The open files that may
// differ are idle connections to the engine and to GitLab.
const (
	soakMemory = 12 << 10 // KiB
	soakFiles  = 16
	soakSlots  = 10
)

// soakKinds are the kinds of jobs of TestSoak.
func soakKinds() []scenario {
	plain := with(job("echo the plain one"), "GIT_STRATEGY=none")
	return []scenario{
		{"plain", plain, succeeds("the plain one\n")},
		{"git", job("cat README"), succeeds("a file of the repository\n")},
		{"failing", job("echo begun", "exit 7"), fails("script_failure", 7, "begun\n")},
		{"dind", with(in("docker:latest", whichDaemon), "GIT_STRATEGY=none"), succeeds("(mode tls)", "daemon=")},
		{"canceled", job(forever), func(t *testing.T, e ending) { canceled(t, e, "begun\n") }},
		// Whether its script has begun by then is a matter of load.
		{"timeout", timeout(4, job(forever)), fails("job_execution_timeout", 0)},
	}
}

// soakJobs is how many jobs TestSoak runs: a few in `make test`, as many as LCED_SOAK says in `make soak`.
func soakJobs(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LCED_SOAK")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("LCED_SOAK: %v", err)
	}
	return n
}

// TestSoak runs many jobs of all kinds, twice as many waiting or running as there are slots. Each must end as it should,
// and neither the runner's memory nor its open files may grow with their number.
func TestSoak(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig(fmt.Sprintf("concurrent = %d\ncheck_interval = 1\n\n[[runners]]\n  name = \"soak\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  [runners.docker]%s", soakSlots, w.url, w.token, plainConfig))
	w.startRunner()
	jobs := soakJobs(t)
	first := max(soakSlots, jobs/10)
	counts := map[string]int{}
	w.soak(0, first, counts)
	memory, files := w.footprint()
	w.soak(first, jobs, counts)
	memoryEnd, filesEnd := w.footprint()
	t.Logf("jobs: %d, endings: %v", jobs, counts)
	t.Logf("after %d jobs: %d KiB resident, %d open files; after %d jobs: %d KiB, %d files", first, memory, files, jobs, memoryEnd, filesEnd)
	if memoryEnd > memory+soakMemory {
		t.Errorf("the runner's resident memory grew from %d to %d KiB, allowed are %d more", memory, memoryEnd, soakMemory)
	}
	if filesEnd > files+soakFiles {
		t.Errorf("the runner's open files grew from %d to %d, allowed are %d more", files, filesEnd, soakFiles)
	}
}

// soak runs jobs number from to to, oldest first, and counts their endings.
func (w *world) soak(from, to int, counts map[string]int) {
	w.t.Helper()
	kinds := soakKinds()
	ids := make([]int64, to)
	submitted := from
	for n := from; n < to; n++ {
		for ; submitted < min(to, n+2*soakSlots); submitted++ {
			ids[submitted] = w.submit(kinds[submitted%len(kinds)].spec)
		}
		kind := kinds[n%len(kinds)]
		if kind.name == "canceled" {
			w.awaitLog(ids[n], "begun\n")
			w.gitlab.Cancel(ids[n])
		}
		j, log := w.await(ids[n])
		counts[strings.TrimSpace(kind.name+": "+j.State+" "+j.FailureReason)]++
		kind.check(w.t, ending{j, log})
	}
}

// footprint gives the resident memory in KiB and the number of open files of the runner process, once no container of a
// job is left.
func (w *world) footprint() (memory, files int) {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	busy := client.Filters{}.Add("label", "lced.runner="+id).Add("label", "com.gitlab.gitlab-runner.job.id")
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		res, err := w.docker.ContainerList(w.t.Context(), client.ContainerListOptions{All: true, Filters: busy})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(res.Items) == 0 {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d containers of ended jobs are left", len(res.Items))
		}
	}
	proc := filepath.Join("/proc", strconv.Itoa(w.runner.Process.Pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := fmt.Sscanf(said(w.t, string(status), "VmRSS:"), "%d kB", &memory); err != nil {
		w.t.Fatalf("VmRSS of the runner: %v", err)
	}
	open, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		w.t.Fatal(err)
	}
	return memory, len(open)
}
