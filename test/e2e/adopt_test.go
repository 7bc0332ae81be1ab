package e2e

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// untilGo is shell text that waits until the test lets it go on, see letGo.
const untilGo = `until [ -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go`

// containerOf is the container of a job of this type (build, predefined), which runs.
func (w *world) containerOf(job int64, kind string) string {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	filters := client.Filters{}.Add("label", "lced.runner="+id, fmt.Sprintf("com.gitlab.gitlab-runner.job.id=%d", job), "com.gitlab.gitlab-runner.type="+kind)
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		list, err := w.docker.ContainerList(w.t.Context(), client.ContainerListOptions{Filters: filters})
		if err == nil && len(list.Items) == 1 {
			return list.Items[0].ID
		}
		if j, _ := w.gitlab.Job(job); j.Ended() {
			return ""
		}
		if time.Now().After(late) {
			w.t.Fatalf("job %d has no %s container that runs: %v\n%s", job, kind, err, w.log)
		}
	}
}

// letGo ends a wait in a container.
func (w *world) letGo(container string) {
	w.t.Helper()
	if err := w.tryGo(container); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tryGo(container string) error {
	_, err := w.tryExec(container, "mkdir -p /tmp; touch /tmp/go")
	return err
}

// tryExec runs a shell command in a container to its end, and returns the id of the exec.
func (w *world) tryExec(container, command string) (id string, err error) {
	created, err := w.docker.ExecCreate(w.t.Context(), container, client.ExecCreateOptions{Cmd: []string{"sh", "-c", command}, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", err
	}
	res, err := w.docker.ExecAttach(w.t.Context(), created.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, res.Reader)
	res.Close()
	return created.ID, nil
}

// letHelperGo ends the waits in the helper of a job until the job ends: a runner that has just started may be about to
// replace the helper that is there.
func (w *world) letHelperGo(job int64) {
	w.t.Helper()
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(100 * time.Millisecond) {
		helper := w.containerOf(job, "predefined")
		if helper == "" {
			return
		}
		_ = w.tryGo(helper) // it may be gone by now
	}
}

// awaitEnd waits until a container has ended.
func (w *world) awaitEnd(id string) {
	w.t.Helper()
	res := w.docker.ContainerWait(w.t.Context(), id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-res.Result:
	case err := <-res.Error:
		w.t.Fatal(err)
	case <-time.After(patience):
		w.t.Fatalf("container %s does not end", id)
	}
}

// counting prints the lines first to last-1 of a long log, each with its number.
func counting(first, last int) string {
	return fmt.Sprintf(`awk 'BEGIN { for (i = %d; i < %d; i++) printf "entry %%d of a long log\n", i }'`, first, last)
}

// wholeLog checks that the log has the entries 0 to n-1, each once and in order.
func wholeLog(t *testing.T, log string, n int) {
	t.Helper()
	wholeLogBut(t, log, n, 0)
}

// wholeLogBut is wholeLog where up to that many entries, one behind the other, may be missing.
func wholeLogBut(t *testing.T, log string, n, missing int) {
	t.Helper()
	next, found := 0, 0
	for _, m := range regexp.MustCompile(`(?m)^entry (\d+) of a long log$`).FindAllStringSubmatch(log, -1) {
		i, err := strconv.Atoi(m[1])
		if err != nil || i < next || i > next+missing {
			t.Fatalf("the log has entry %s where entry %d belongs", m[1], next)
		}
		if i > next {
			t.Logf("entries %d to %d are missing", next, i-1)
			missing = 0
		}
		next, found = i+1, found+1
	}
	if next != n || strings.Count(log, " of a long log\n") != found {
		t.Fatalf("the log ends with entry %d of %d; it has %d entries in %d lines", next-1, n, found, strings.Count(log, " of a long log\n"))
	}
}

// restart ends the runner process with a signal and starts the next one.
func (w *world) restart(s syscall.Signal) {
	w.t.Helper()
	w.signal(s)
	if code := w.waitExit(); s != syscall.SIGKILL && code != 0 {
		w.t.Errorf("after %v the runner exits with %d\n%s", s, code, w.log)
	}
	w.startRunner()
	w.awaitUp()
}

// TestAdoption ends the runner, by each of the ways in which that happens, in every phase of a job, and wants each job to go on
// in the next process as if nothing had been: with its ending, and with its log to the byte.
func TestAdoption(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			testAdoption(t, s)
		})
	}
}

func testAdoption(t *testing.T, s syscall.Signal) {
	w := prepareWorld(t, nil)
	w.writeConfig("concurrent = 8\ncheck_interval = 1\n" + strings.Replace(w.entry("adopting"), "  limit = 1\n", "  output_limit = 65536\n", 1))
	w.startRunner()

	const half, most = 400_000, 800_000
	loud := after(job("echo ready; "+untilGo, counting(0, half), "echo again; "+untilGo, counting(half, most)), "echo status $CI_JOB_STATUS; "+counting(most, most+1000))
	silent := with(job("echo begun; echo '::add-mask::late-value'; "+untilGo, "echo late-value $TOKEN; exit 7"), "GIT_STRATEGY=none")
	silent.Variables = []coordinator.Variable{{Key: "TOKEN", Value: "s3cr3t-Value-4711", Masked: true}}
	meanwhile := with(after(job("echo ready; "+untilGo, counting(0, 1000)), "echo the end"), "GIT_STRATEGY=none")
	late := with(after(job("echo the script", "exit 3"), "echo after begun; "+untilGo, "echo after ended with $CI_JOB_STATUS"), "GIT_STRATEGY=none")
	sources := patched(job("cat README"), func(payload map[string]any) {
		payload["hooks"] = []any{map[string]any{"name": "pre_get_sources_script", "script": []any{"echo the hook; " + untilGo}}}
	})
	upload := job("echo content >file")
	upload.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"file"}}
	scenarios := []coordinator.JobSpec{loud, silent, meanwhile, late, sources, upload}
	ids := make([]int64, len(scenarios))
	for i, spec := range scenarios {
		ids[i] = w.submit(spec)
	}
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Job: ids[5], Delay: patience, Cut: true})
	for i, text := range []string{"ready\n", "begun\n", "ready\n", "after begun\n", "the hook\n", "Uploading artifacts"} {
		w.awaitLog(ids[i], text)
	}
	containers := make([]string, len(ids))
	for i := range ids[:4] {
		containers[i] = w.containerOf(ids[i], "build")
	}

	w.signal(s)
	w.waitExit()
	w.letGo(containers[2])
	w.awaitEnd(containers[2])
	w.startRunner()
	w.awaitUp()
	w.letGo(containers[0])
	w.awaitLog(ids[0], "entry 100 ")
	w.restart(s) // in the middle of 10 MB
	w.awaitLog(ids[0], "again\n")
	w.letGo(containers[0])
	w.restart(s)
	w.letGo(containers[1])
	w.letGo(containers[3])
	w.letHelperGo(ids[4])

	check := func(i int, f func(*testing.T, ending)) ending {
		t.Helper()
		j, log := w.await(ids[i])
		f(t, ending{j, log})
		return ending{j, log}
	}
	wholeLog(t, check(0, succeeds("status success\n")).log, most+1000)
	check(1, lacks(fails("script_failure", 7, "[MASKED] [MASKED]\n"), "late-value $", "4711")).times(t, "begun\n", 1)
	wholeLog(t, check(2, succeeds("the end\n")).log, 1000)
	check(3, fails("script_failure", 3, "after ended with failed\n")).times(t, "the script\n", 1)
	check(4, succeeds("a file of the repository", "the preparation begins again"))
	check(5, succeeds("this stage begins again"))
	if files := coordinator.ArtifactsOf(w.gitlab).List(ids[5]); len(files) != 1 {
		t.Errorf("artifacts %v", files)
	}
}
