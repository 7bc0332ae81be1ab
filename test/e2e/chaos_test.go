package e2e

import (
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
	nested  *nested // the engine, if it may be killed
	revives bool    // its containers live through that

	counts  map[string]int // of injections, by class
	endings map[string]int // of jobs, by kind and ending
	cut     map[int64]bool // jobs of rounds that were lossy
	lossy   bool           // in this round something was injected that may cost a job, and its kind
}

// chaosBoards are the boards on which TestChaos plays, each with faults of its own.
func chaosBoards() map[string]func(t *testing.T) *chaos {
	return map[string]func(t *testing.T) *chaos{
		"machine": func(t *testing.T) *chaos { return newChaos(t, nil) },
		"live-restore": func(t *testing.T) *chaos {
			c := newChaos(t, newNested(t, 900, []string{"busybox:latest", "lced-runner:dev"}, "--live-restore"))
			c.revives = true
			return c
		},
		"restart": func(t *testing.T) *chaos {
			return newChaos(t, newNested(t, 900, []string{"busybox:latest", "lced-runner:dev"}))
		},
	}
}

// TestChaos runs rounds of jobs for LCED_CHAOS_TIME, and only then. Each round draws jobs and faults; at its end each job
// must have ended as its script says, with every byte of its log, unless a fault was drawn that may cost it: then it has
// failed by the runner's own reason, with a part of its log that begins at the beginning.
func TestChaos(t *testing.T) {
	t.Parallel()
	text := os.Getenv("LCED_CHAOS_TIME")
	if text == "" {
		t.Skip("LCED_CHAOS_TIME is not set; `make chaos` sets it")
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("LCED_CHAOS_TIME: %v", err)
	}
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
	state, err := os.MkdirTemp("/var/tmp", "chaos-state")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatalf("make a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(state, syscall.MNT_DETACH), os.Remove(state)); err != nil {
			t.Error(err)
		}
	})
	c := &chaos{world: prepareWorld(t, nil), state: state, nested: n, counts: map[string]int{}, endings: map[string]int{}, cut: map[int64]bool{}}
	c.program = jumpingBinary(t)
	c.excused = func(violation string) bool { // a log that is cut has sections without an end
		var id int64
		n, _ := fmt.Sscanf(violation, "job %d:", &id)
		return n == 1 && c.cut[id] && strings.HasSuffix(violation, "has no end")
	}
	c.boot("first boot")
	c.jump(0)
	lced := fmt.Sprintf("  state_dir = %q\n  min_free_disk = \"1m\"\n  min_free_memory = \"1m\"\n", state)
	config := strings.Replace(string(plainConfig), "[runners.dind]", "[runners.dind]\n    wait_timeout = \"2m\"", 1)
	if n != nil {
		c.on(n, lced, dockerConfig(config))
	} else {
		c.writeConfig(fmt.Sprintf("concurrent = 4\ncheck_interval = 1\nlog_level = \"debug\"\n[lced]\n%s\n[[runners]]\n  name = \"e2e\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  output_limit = 65536\n  [runners.docker]%s", lced, c.url, c.token, config))
	}
	c.startRunner()
	c.awaitUp()
	return c
}

// round runs two or three jobs under a few faults and checks how they ended.
func (c *chaos) round() {
	c.t.Helper()
	c.lossy = false
	begun := len(c.log.String())
	var drawn []string
	type running struct {
		id   int64
		kind chaosKind
	}
	var jobs []running
	for range 2 + c.dice.IntN(2) {
		kind := c.kinds()[c.dice.IntN(len(c.kinds()))]
		drawn = append(drawn, kind.name)
		jobs = append(jobs, running{c.submit(kind.spec), kind})
	}
	faults := c.faults()
	for range 3 + c.dice.IntN(4) {
		time.Sleep(time.Duration(c.dice.Int64N(int64(2 * time.Second))))
		f := faults[c.dice.IntN(len(faults))]
		drawn = append(drawn, f.class)
		c.counts[f.class]++
		c.lossy = c.lossy || f.lossy
		f.inject()
	}
	for _, j := range jobs {
		job, log := c.await(j.id)
		e := ending{job, log}
		c.endings[strings.TrimSpace(j.kind.name+": "+job.State+" "+job.FailureReason)]++
		c.cut[j.id] = c.lossy
		c.judge(j.kind, e)
	}
	if c.t.Failed() {
		text := c.log.String()[begun:]
		c.t.Logf("the round: %v\nthe runner's log of it:\n%s", drawn, text[max(0, len(text)-20000):])
	}
}

// judge compares a job's ending with what its kind says.
func (c *chaos) judge(kind chaosKind, e ending) {
	c.t.Helper()
	got, whole := kind.lines(e.log)
	lost := e.State == coordinator.StateFailed && e.FailureReason == "runner_system_failure"
	switch {
	case got < 0:
		c.t.Errorf("job %d (%s): its log is not that of its script:\n%s", e.ID, kind.name, tail(e.log))
	case c.lossy && lost: // and what there is of the log is in order
	case e.State != kind.state || e.ExitCode != kind.code:
		c.t.Errorf("job %d (%s) ended as %s, %s, exit code %d\n%s", e.ID, kind.name, e.State, e.FailureReason, e.ExitCode, tail(e.log))
	case !whole && !c.lossy:
		c.t.Errorf("job %d (%s): only %d lines of its log arrived\n%s", e.ID, kind.name, got, tail(e.log))
	case kind.check != nil:
		kind.check(e)
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }

// report prints the counts.
func (c *chaos) report() {
	total := 0
	for _, class := range slices.Sorted(maps.Keys(c.counts)) {
		total += c.counts[class]
		c.t.Logf("CHAOS injected %-28s %d", class, c.counts[class])
	}
	c.t.Logf("CHAOS injected %-28s %d", "in all", total)
	for _, end := range slices.Sorted(maps.Keys(c.endings)) {
		c.t.Logf("CHAOS ended %s %d", end, c.endings[end])
	}
}
