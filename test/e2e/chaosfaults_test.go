package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"lced-runner/internal/coordinator"
	"lced-runner/internal/journal"
)

// chaosFault is one class of faults.
type chaosFault struct {
	class  string
	lossy  bool             // it may cost a running job
	down   bool             // nobody speaks for the jobs for a while
	inject func() *chaosJob // and the job, if there is one, that it is about
}

func (c *chaos) faults() []chaosFault {
	faults := []chaosFault{
		{class: "kill -9 of the runner", down: true, inject: func() *chaosJob { return c.restart(syscall.SIGKILL) }},
		{class: "SIGTERM to the runner", down: true, inject: func() *chaosJob { return c.restart(syscall.SIGTERM) }},
		{class: "GitLab answers 500", inject: func() *chaosJob {
			return c.disturb(coordinator.Fault{Status: []int{500, 502, 503}[c.dice.IntN(3)], Times: 1 + c.dice.IntN(5)})
		}},
		{class: "connection reset", inject: func() *chaosJob { return c.disturb(coordinator.Fault{Cut: true, Times: 1 + c.dice.IntN(5)}) }},
		{class: "GitLab is slow", inject: func() *chaosJob {
			return c.disturb(coordinator.Fault{Delay: time.Duration(1+c.dice.IntN(4)) * time.Second, Times: 1 + c.dice.IntN(3)})
		}},
		{class: "answer lost after processing", inject: func() *chaosJob { return c.disturb(coordinator.Fault{Lose: true, Times: 1 + c.dice.IntN(3)}) }},
		{class: "answer to the request for a job lost", inject: c.loseJob},
		{class: "outage of GitLab", inject: c.outage},
		{class: "416, the log is cut", inject: func() *chaosJob {
			c.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointTrace, Status: 416, Truncate: true, Keep: c.dice.IntN(2000)})
			return nil
		}},
		{class: "disk of the state full", lossy: true, inject: c.fillState},
		{class: "clock jumps", inject: func() *chaosJob {
			jumps := []time.Duration{-10 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour, -time.Since(time.Unix(60, 0)), time.Hour, -time.Hour, 0}
			return c.jump(jumps[c.dice.IntN(len(jumps))])
		}},
		{class: "power cut", lossy: true, down: true, inject: c.powerCut},
	}
	if c.nested != nil {
		faults = append(faults,
			chaosFault{class: "kill -9 of the engine" + c.how(), lossy: !c.revives, down: true, inject: func() *chaosJob { return c.endEngine("KILL") }},
			chaosFault{class: "restart of the engine" + c.how(), lossy: !c.revives, down: true, inject: func() *chaosJob { return c.endEngine("TERM") }})
	}
	return faults
}

func (c *chaos) how() string {
	if c.revives {
		return ", live-restore"
	}
	return ""
}

// endEngine ends the nested engine, which comes back by itself.
func (c *chaos) endEngine(signal string) *chaosJob {
	c.t.Helper()
	c.engineWasAway = true
	if c.nested.end(signal) {
		c.endings["(the engine crashed on what it had written of its networks)"]++
		c.lossy = true
	}
	return nil
}

// restart ends the runner by a signal and starts it again.
func (c *chaos) restart(s syscall.Signal) *chaosJob {
	c.t.Helper()
	if code := c.stop(s); s == syscall.SIGTERM && code != 0 {
		c.wrong("after SIGTERM the runner exits with %d", code)
	}
	c.supervise()
	return nil
}

// stop ends the runner by a signal and returns its exit code.
func (c *chaos) stop(s syscall.Signal) int {
	c.t.Helper()
	if s != syscall.SIGKILL {
		c.keepUp() // before that it may not know the signal
	}
	if err := c.runner.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatal(err)
	}
	return c.waitExit()
}

// supervise starts the runner until it stays, as systemd does: without an engine it ends.
func (c *chaos) supervise() {
	c.t.Helper()
	for late := time.Now().Add(chaosPatience); ; {
		c.startRunner()
		if c.awaitUp(); len(c.exited) == 0 {
			c.upSince = time.Now()
			return
		}
		c.waitExit()
		if time.Now().After(late) {
			c.t.Fatalf("the runner does not start\n%s", c.log)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// keepUp starts the runner if it has ended by itself.
func (c *chaos) keepUp() {
	c.t.Helper()
	if len(c.exited) == 0 {
		return
	}
	c.endings["(the runner ended by itself and was started again)"]++
	c.waitExit()
	c.down = true
	c.supervise()
}

// recorded reports whether the runner has a record of a job.
func (c *chaos) recorded(job int64) bool {
	c.t.Helper()
	_, err := os.Stat(filepath.Join(c.state, ".lced-runner", "journal", journal.Name(c.url, job)+".json"))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return err == nil
}

// disturb lets the next calls of an endpoint go wrong. An answer to the request for a job is another matter, see loseJob.
func (c *chaos) disturb(f coordinator.Fault) *chaosJob {
	endpoints := []coordinator.Endpoint{coordinator.EndpointTrace, coordinator.EndpointUpdate, coordinator.EndpointFinal, coordinator.EndpointUpload}
	if !f.Lose && f.Delay == 0 {
		endpoints = append(endpoints, coordinator.EndpointRequest)
	}
	if c.uploads >= 2 { // the helper tries three times
		endpoints = slices.DeleteFunc(endpoints, func(e coordinator.Endpoint) bool { return e == coordinator.EndpointUpload })
	}
	f.Endpoint = endpoints[c.dice.IntN(len(endpoints))]
	if f.Endpoint == coordinator.EndpointUpload {
		f.Times = 1
		c.uploads++
	}
	c.gitlab.Inject(f)
	return nil
}

// loseJob loses the answer that hands a job out: the protocol itself loses that job, and the runner must know nothing of it.
func (c *chaos) loseJob() *chaosJob {
	c.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointRequest, Lose: true})
	return c.hand(c.kinds()[0])
}

// outage lets GitLab be away for seconds; TestOutage is the one that lasts.
func (c *chaos) outage() *chaosJob {
	c.away(true)
	time.Sleep(time.Duration(3+c.dice.IntN(12)) * time.Second)
	c.away(false)
	return nil
}

// away lets GitLab be away, or back.
func (w *world) away(gone bool) {
	for _, e := range []coordinator.Endpoint{coordinator.EndpointRequest, coordinator.EndpointTrace, coordinator.EndpointUpdate, coordinator.EndpointFinal} {
		f := coordinator.Fault{Endpoint: e, Cut: true, Times: 1 << 30}
		if !gone {
			f.Times = -1
		}
		w.gitlab.Inject(f)
	}
}

// fillState leaves not a byte on the disk of the runner's state for a while.
func (c *chaos) fillState() *chaosJob {
	c.t.Helper()
	ballast := filepath.Join(c.state, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return nil // it is full by the log of a job
	}
	for chunk := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(chunk)
	}
	f.Close()
	time.Sleep(time.Duration(c.dice.Int64N(int64(3 * time.Second))))
	if err := os.Remove(ballast); err != nil {
		c.t.Fatal(err)
	}
	return nil
}

// jump sets the wall clock of the runner's process that far from the machine's.
func (c *chaos) jump(offset time.Duration) *chaosJob {
	c.t.Helper()
	path := filepath.Join(c.dir, "clock")
	if err := os.WriteFile(path+".new", []byte(strconv.FormatInt(int64(offset/time.Second), 10)), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		c.t.Fatal(err)
	}
	if len(c.env) == 0 {
		c.env = []string{"LCED_TEST_CLOCK=" + path}
	}
	return nil
}
