package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lced-runner/internal/coordinator"
)

// chaos is a world in which faults are injected at random moments while jobs of all kinds run.
type chaos struct {
	*world
	dice    *rand.Rand
	state   string  // of the runner, on a small disk of its own
	synced  string  // holds what the runner notes of its synced files
	nested  *nested // the engine, if it may be killed
	revives bool    // its containers live through that
	upSince time.Time

	counts  map[string]int // of injections, by class
	endings map[string]int // of jobs, by kind and ending
	wrongs  []string
	jobs    map[int64]*chaosJob
	drawn   []string // in this round
	lossy   bool     // in this round something was injected that may cost a job, and its kind
	down    bool     // in this round the runner was away for a while
	uploads int      // that go wrong in this round

	engineWasAway bool // in this round
}

// chaosJob is a job of a round.
type chaosJob struct {
	id   int64
	kind chaosKind
	kept string // beginning of the log that was on the disk after a power cut
	cut  bool   // something may have cost it
	down bool   // nobody may have spoken for it for a while
	// forgot says that a power cut may have taken from the disk how much of the log GitLab has, and that it has the ending.
	forgot bool
}

// chaosPatience is how long a job may take behind its round's last fault. It only ends a hang.
const chaosPatience = 10 * time.Minute

// chaosBoards are the boards on which TestChaos plays, each with faults of its own.
func chaosBoards() map[string]func(t *testing.T) *chaos {
	images := []string{"busybox:latest", "lced-runner:dev"}
	return map[string]func(t *testing.T) *chaos{
		"machine": func(t *testing.T) *chaos { return newChaos(t, nil) },
		"live-restore": func(t *testing.T) *chaos {
			c := newChaos(t, newNested(t, 900, images, "--live-restore"))
			c.revives = true
			return c
		},
		"restart": func(t *testing.T) *chaos { return newChaos(t, newNested(t, 900, images)) },
	}
}

// TestChaos runs rounds of jobs for LCED_CHAOS_TIME, and only then; with LCED_CHAOS_ONLY under faults of those names alone.
// Each round draws jobs and faults; at its end each job must have ended as its script says, with every byte of its log, unless
// a fault was drawn that may cost it: then it has failed by the runner's own reason, with a part of its log that begins at the
// beginning.
func TestChaos(t *testing.T) {
	t.Parallel()
	span := chaosSpan(t, "LCED_CHAOS_TIME")
	seed := chaosSeed(t)
	for n, name := range slices.Sorted(maps.Keys(chaosBoards())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := chaosBoards()[name](t)
			c.dice = rand.New(rand.NewPCG(seed, uint64(n)))
			t.Cleanup(c.report)
			for begun := time.Now(); time.Since(begun) < span && !t.Failed(); {
				c.round()
			}
		})
	}
}

// chaosSpan is the duration of that variable; without it the test is skipped.
func chaosSpan(t *testing.T, variable string) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		t.Skipf("%s is not set; `make chaos` sets it", variable)
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return span
}

// chaosSeed is LCED_SEED, or one that is new each time.
func chaosSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LCED_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("LCED_SEED=%d", seed)
	return seed
}

func newChaos(t *testing.T, n *nested) *chaos {
	t.Helper()
	state := smallDisk(t, 96) // which outlives the world
	c := &chaos{state: state, synced: t.TempDir(), nested: n, counts: map[string]int{}, endings: map[string]int{}, jobs: map[int64]*chaosJob{}}
	t.Cleanup(c.summary) // behind the world's long logs
	c.world = prepareWorld(t, nil)
	c.program, c.excused = chaosBinary(t), c.excuse
	c.boot("first boot")
	c.jump(0)
	c.env = append(c.env, "LCED_TEST_SYNCED="+c.synced)
	lced := fmt.Sprintf("  state_dir = %q\n  min_free_disk = \"1m\"\n  min_free_memory = \"1m\"\n", c.state)
	config := strings.Replace(string(plainConfig), "[runners.dind]", "[runners.dind]\n    wait_timeout = \"5m\"", 1)
	if n != nil {
		c.on(n, lced, dockerConfig(config))
	} else {
		c.writeConfig(fmt.Sprintf("concurrent = 4\ncheck_interval = 1\nlog_level = \"debug\"\n[lced]\n%s\n[[runners]]\n  name = \"e2e\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  output_limit = 65536\n  [runners.docker]%s", lced, c.url, c.token, config))
	}
	c.supervise()
	return c
}

// smallDisk is a directory with room for that many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "chaos-state")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("make a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// excuse says which violations of the protocol the faults themselves have caused: a log that is cut may have a section
// without an end, a runner that is not there says nothing, and one that has lost what GitLab told it asks once more.
func (c *chaos) excuse(violation string) bool {
	call, what, _ := strings.Cut(violation, ": ")
	var j *chaosJob
	for _, form := range []string{"job %d", "PATCH /jobs/%d/trace", "PUT /jobs/%d"} {
		var id int64
		if n, _ := fmt.Sscanf(call, form, &id); n == 1 {
			j = c.jobs[id]
		}
	}
	return j != nil && (j.cut && strings.HasSuffix(what, "has no end") || j.down && strings.HasPrefix(what, "no call for") ||
		j.forgot && strings.HasSuffix(what, "after the final state"))
}

// round runs two or three jobs under a few faults and checks how they ended.
func (c *chaos) round() {
	c.t.Helper()
	c.lossy, c.down, c.drawn, c.uploads, c.engineWasAway = false, false, nil, 0, false
	c.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Times: -1})
	begun := len(c.log.String())
	var jobs []*chaosJob
	for range 2 + c.dice.IntN(2) {
		kind := c.kinds()[c.dice.IntN(len(c.kinds()))]
		jobs = append(jobs, c.hand(kind))
	}
	faults := slices.DeleteFunc(c.faults(), func(f chaosFault) bool { return !strings.Contains(f.class, os.Getenv("LCED_CHAOS_ONLY")) })
	if os.Getenv("LCED_CHAOS_ONLY") == "" && c.dice.IntN(2) > 0 { // in every other round nothing is an excuse
		faults = slices.DeleteFunc(faults, func(f chaosFault) bool { return f.lossy })
	}
	for range 3 + c.dice.IntN(4) {
		time.Sleep(time.Duration(c.dice.Int64N(int64(2 * time.Second))))
		f := faults[c.dice.IntN(len(faults))]
		c.drawn = append(c.drawn, f.class)
		c.counts[f.class]++
		c.lossy, c.down = c.lossy || f.lossy, c.down || f.down
		if more := f.inject(); more != nil {
			jobs = append(jobs, more)
		}
	}
	for _, j := range jobs {
		c.settle(j)
	}
	for _, v := range c.violations() {
		c.wrong("violation of the job API: %s", v)
	}
	if c.t.Failed() {
		text := c.log.String()[begun:]
		c.t.Logf("the round: %v\nthe runner's log of it:\n%s", c.drawn, text[max(0, len(text)-20000):])
	}
}

// hand gives a job to GitLab.
func (c *chaos) hand(kind chaosKind) *chaosJob {
	c.t.Helper()
	j := &chaosJob{id: c.submit(kind.spec), kind: kind}
	c.jobs[j.id] = j
	c.drawn = append(c.drawn, fmt.Sprintf("job %d (%s)", j.id, kind.name))
	return j
}

// settle waits for the end of a job and judges it.
func (c *chaos) settle(j *chaosJob) {
	c.t.Helper()
	for late := time.Now().Add(chaosPatience); ; {
		ctx, cancel := context.WithTimeoutCause(c.t.Context(), time.Second, errors.New("it has not ended yet"))
		job, err := c.gitlab.Await(ctx, j.id, func(j coordinator.Job, _ []byte) bool { return j.Ended() || j.Unheard })
		cancel()
		lost := c.lostByProtocol(job)
		switch {
		case err == nil && !job.Unheard:
			c.endings[strings.TrimSpace(j.kind.name+": "+job.State+" "+job.FailureReason)]++
			j.cut, j.down = c.lossy, c.down
			c.judge(j, ending{job, string(c.gitlab.Trace(j.id))})
			return
		case lost != "":
			c.endings[lost]++
			if log := c.gitlab.Trace(j.id); len(log) > 0 {
				c.wrong("job %d: %s, but it has a log:\n%s", j.id, lost, log)
			}
			j.down = true
			c.gitlab.ForceCancel(j.id)
			return
		case time.Now().After(late):
			_ = c.runner.Process.Signal(syscall.SIGABRT) // it tells where its goroutines are
			c.waitExit()
			c.t.Fatalf("job %d (%s) does not end; the round: %v\nlog of the job:\n%s\nlog of the runner:\n%s", j.id, j.kind.name, c.drawn, tail(string(c.gitlab.Trace(j.id))), c.log.String()[c.begun:])
		}
		c.keepUp()
	}
}

// lostByProtocol says why no runner knows of a job that GitLab handed out; empty: one does, or may. Such a job is lost with
// every runner: its answer did not arrive, or the process that got it was killed before it had written it down.
func (c *chaos) lostByProtocol(job coordinator.Job) string {
	switch {
	case job.Unheard:
		return "(the answer that handed it out was lost)"
	case job.State != coordinator.StateRunning, len(c.exited) > 0, !job.HandedOut.Before(c.upSince), time.Since(c.upSince) < 10*time.Second, c.recorded(job.ID):
		return ""
	}
	if again, _ := c.gitlab.Job(job.ID); again.State != coordinator.StateRunning { // its record went meanwhile, as it has ended
		return ""
	}
	return "(handed out, and the runner killed before it had a record)"
}

// judge compares a job's ending with what its kind says.
func (c *chaos) judge(j *chaosJob, e ending) {
	c.t.Helper()
	kind := j.kind
	got, whole := kind.lines(e.log)
	lost := e.State == coordinator.StateFailed && e.FailureReason == "runner_system_failure"
	switch {
	case got < 0:
		c.wrong("job %d (%s): its log is not that of its script:\n%s", e.ID, kind.name, tail(e.log))
	case !strings.HasPrefix(e.log, j.kept):
		c.wrong("job %d (%s): after the power cut its disk had %d bytes of its log, which the %d bytes in GitLab do not begin with\nthe disk:\n%s\nGitLab:\n%s", e.ID, kind.name, len(j.kept), len(e.log), tail(j.kept), tail(e.log))
	case c.lossy && lost: // and what there is of the log is in order
	case c.engineWasAway && lost && strings.Contains(e.log, "went away while the script ran"):
		c.endings["(of these, by a script that ended while the engine was away, whose last output that loses)"]++
	case e.State != kind.state || e.ExitCode != kind.code:
		c.wrong("job %d (%s) ended as %s, %s, exit code %d\n%s", e.ID, kind.name, e.State, e.FailureReason, e.ExitCode, tail(e.log))
	case !whole && !c.lossy:
		c.wrong("job %d (%s): only %d lines of its log arrived\n%s", e.ID, kind.name, got, tail(e.log))
	case kind.check != nil:
		kind.check(e)
	}
}

// wrong is a failure of the test.
func (c *chaos) wrong(format string, args ...any) {
	c.t.Helper()
	c.wrongs = append(c.wrongs, fmt.Sprintf("%v: %s", c.drawn, fmt.Sprintf(format, args...)))
	c.t.Errorf(format, args...)
}

// summary tells once more what was wrong, without the logs.
func (c *chaos) summary() {
	for _, w := range c.wrongs { // there are some where the world is there
		c.t.Logf("CHAOS wrong %s", strings.Join(strings.Fields(w[:min(len(w), 1500)]), " "))
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }

// report prints the counts.
func (c *chaos) report() {
	total := 0
	for _, class := range slices.Sorted(maps.Keys(c.counts)) {
		total += c.counts[class]
		c.t.Logf("CHAOS injected %-40s %d", class, c.counts[class])
	}
	c.t.Logf("CHAOS injected %-40s %d", "in all", total)
	for _, end := range slices.Sorted(maps.Keys(c.endings)) {
		c.t.Logf("CHAOS ended %s %d", end, c.endings[end])
	}
}
