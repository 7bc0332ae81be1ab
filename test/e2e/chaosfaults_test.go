package e2e

import (
	littleendian "encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// chaosFault is one class of faults.
type chaosFault struct {
	class  string
	lossy  bool // it may cost a running job
	inject func()
}

func (c *chaos) faults() []chaosFault {
	faults := []chaosFault{
		{class: "kill -9 of the runner", inject: func() { c.restart(syscall.SIGKILL) }},
		{class: "SIGTERM to the runner", inject: func() { c.restart(syscall.SIGTERM) }},
		{class: "GitLab answers 500", inject: func() {
			c.disturb(coordinator.Fault{Status: []int{500, 502, 503}[c.dice.IntN(3)], Times: 1 + c.dice.IntN(5)})
		}},
		{class: "connection reset", inject: func() { c.disturb(coordinator.Fault{Cut: true, Times: 1 + c.dice.IntN(5)}) }},
		{class: "GitLab is slow", inject: func() {
			c.disturb(coordinator.Fault{Delay: time.Duration(1+c.dice.IntN(4)) * time.Second, Times: 1 + c.dice.IntN(3)})
		}},
		{class: "answer lost after processing", inject: func() { c.disturb(coordinator.Fault{Lose: true, Times: 1 + c.dice.IntN(3)}) }},
		{class: "outage of GitLab", inject: c.outage},
		{class: "416, the log is cut", inject: func() {
			c.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointTrace, Status: 416, Truncate: true, Keep: c.dice.IntN(2000)})
		}},
		{class: "disk of the state full", lossy: true, inject: c.fillState},
		{class: "clock jumps", inject: func() {
			jumps := []time.Duration{-10 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour, -time.Since(time.Unix(60, 0)), time.Hour, -time.Hour, 0}
			c.jump(jumps[c.dice.IntN(len(jumps))])
		}},
		{class: "power cut", lossy: true, inject: c.powerCut},
	}
	if c.nested != nil {
		faults = append(faults,
			chaosFault{class: "kill -9 of the engine" + c.how(), lossy: !c.revives, inject: func() { c.nested.signal("KILL"); c.nested.awaitUp() }},
			chaosFault{class: "restart of the engine" + c.how(), lossy: !c.revives, inject: func() { c.nested.signal("TERM"); time.Sleep(time.Second); c.nested.awaitUp() }})
	}
	return faults
}

func (c *chaos) how() string {
	if c.revives {
		return ", live-restore"
	}
	return ""
}

// restart ends the runner by a signal and starts it again.
func (c *chaos) restart(s syscall.Signal) {
	c.t.Helper()
	if s != syscall.SIGKILL {
		c.awaitUp() // before that it may not know the signal
	}
	c.signal(s)
	if code := c.waitExit(); s == syscall.SIGTERM && code != 0 {
		c.t.Errorf("after SIGTERM the runner exits with %d", code)
	}
	c.supervise()
}

// supervise starts the runner, again if need be, as systemd does: without an engine it does not stay.
func (c *chaos) supervise() {
	c.t.Helper()
	for late := time.Now().Add(patience); ; {
		c.startRunner()
		if c.awaitUp(); len(c.exited) == 0 {
			return
		}
		c.waitExit()
		if time.Now().After(late) {
			c.t.Fatalf("the runner does not start\n%s", c.log)
		}
	}
}

// disturb lets the next calls of an endpoint about running jobs go wrong. The request for a job is another matter: the protocol
// itself loses a job whose answer is lost.
func (c *chaos) disturb(f coordinator.Fault) {
	endpoints := []coordinator.Endpoint{coordinator.EndpointTrace, coordinator.EndpointUpdate, coordinator.EndpointFinal, coordinator.EndpointUpload}
	if !f.Lose && f.Delay == 0 {
		endpoints = append(endpoints, coordinator.EndpointRequest)
	}
	f.Endpoint = endpoints[c.dice.IntN(len(endpoints))]
	if f.Endpoint == coordinator.EndpointUpload {
		f.Times = 1 // as often as the helper tries again at least
	}
	c.gitlab.Inject(f)
}

// outage lets GitLab be away, as ten minutes are to a runner whose longest pause is one.
func (c *chaos) outage() {
	away := []coordinator.Endpoint{coordinator.EndpointRequest, coordinator.EndpointTrace, coordinator.EndpointUpdate, coordinator.EndpointFinal}
	for _, e := range away {
		c.gitlab.Inject(coordinator.Fault{Endpoint: e, Cut: true, Times: 1 << 30})
	}
	time.Sleep(time.Duration(5+c.dice.IntN(15)) * time.Second)
	for _, e := range away {
		c.gitlab.Inject(coordinator.Fault{Endpoint: e, Times: -1})
	}
}

// fillState leaves not a byte on the disk of the runner's state for a while.
func (c *chaos) fillState() {
	c.t.Helper()
	ballast := filepath.Join(c.state, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return // it is full by the log of a job
	}
	for chunk := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(chunk)
	}
	f.Close()
	time.Sleep(time.Duration(c.dice.Int64N(int64(3 * time.Second))))
	if err := os.Remove(ballast); err != nil {
		c.t.Fatal(err)
	}
}

// powerCut ends the runner and all containers of its jobs at once, drops what need not be on the disk of the logs, and boots.
func (c *chaos) powerCut() {
	c.t.Helper()
	c.signal(syscall.SIGKILL)
	c.waitExit()
	id, _ := config.SystemID(c.dir)
	list, err := c.docker.ContainerList(cleanupContext(), client.ContainerListOptions{Filters: client.Filters{}.Add("label", "lced.runner="+id)})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, container := range list.Items {
		_, _ = c.docker.ContainerKill(cleanupContext(), container.ID, client.ContainerKillOptions{}) // it may end by itself
	}
	logs, err := filepath.Glob(filepath.Join(c.state, ".lced-runner", "job-*.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, log := range logs {
		c.dropTail(log)
	}
	c.boot(time.Now().String())
	c.supervise()
}

// dropTail cuts a log somewhere behind the last place that is sure to be on the disk: what the server has was synced before.
func (c *chaos) dropTail(path string) {
	c.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	synced := 0
	for at := 0; at+17 <= len(text); {
		length := int(littleendian.LittleEndian.Uint32(text[at:]))
		if text[at+4] == 255 { // the server has this much
			synced = at
		}
		at += 17 + length
	}
	if err := os.Truncate(path, int64(synced+c.dice.IntN(len(text)-synced+1))); err != nil {
		c.t.Fatal(err)
	}
}

// boot gives the machine another boot id, as the runner sees it.
func (c *chaos) boot(name string) {
	c.t.Helper()
	path := filepath.Join(c.dir, "boot_id")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(name, " ", "-")+"\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
	c.wrapper = []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, path}
}

// jump sets the wall clock of the runner's process that far from the machine's.
func (c *chaos) jump(offset time.Duration) {
	c.t.Helper()
	path := filepath.Join(c.dir, "clock")
	if err := os.WriteFile(path+".new", []byte(strconv.FormatInt(int64(offset/time.Second), 10)), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		c.t.Fatal(err)
	}
	c.env = []string{"LCED_TEST_CLOCK=" + path}
}
