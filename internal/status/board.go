package status

import (
	"slices"
	"sync"
	"time"
)

// Phase is what the process as a whole does, in gitlab-runner's words.
type Phase string

// The phases in the order in which they come.
const (
	Starting Phase = "starting"
	Running  Phase = "running"
	Draining Phase = "graceful-shutdown"
	Ending   Phase = "forceful-shutdown"
)

// Options are what a Board knows from the beginning.
type Options struct {
	Version, Revision string
	SystemID          string
	ConfigFile        string
	StateDir          string                           // holds the journal and the spools of logs; empty for none
	LogLines          func() (warnings, errors uint64) // how many the operator's log has had; nil for unknown
}

// Board holds what is known of the running runner. It is safe for concurrent use.
type Board struct {
	Options
	begun   time.Time
	metrics *metrics

	mu         sync.Mutex
	phase      Phase
	concurrent int
	loaded     time.Time // when the configuration in use was read
	refusal    string    // why the last reading of the configuration is not in use; empty when it is
	runners    []*Runner // of the configuration in use
	all        map[Identity]*Runner
	jobs       []*Job
}

// New makes a board without runners.
func New(o Options) *Board {
	return &Board{Options: o, begun: time.Now(), phase: Starting, all: map[Identity]*Runner{}, metrics: newMetrics(o)}
}

// Enter says that the process has come to a phase.
func (b *Board) Enter(p Phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phase = p
}

// Configured says that a configuration is in use, with these runners.
func (b *Board) Configured(concurrent int, runners []*Runner) {
	b.metrics.configLoaded.Inc()
	var distinct []*Runner // two tables may be one runner
	for _, r := range runners {
		if !slices.Contains(distinct, r) {
			distinct = append(distinct, r)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.metrics.slots(concurrent - b.concurrent)
	b.concurrent, b.runners, b.loaded, b.refusal = concurrent, distinct, time.Now(), ""
}

// Refused says that the configuration was read again and is not in use, and why.
func (b *Board) Refused(err error) {
	b.metrics.configRefused.Inc()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusal = err.Error()
}

// Saved says that the runner has written its configuration file, or why it could not.
func (b *Board) Saved(err error) {
	if err != nil {
		b.metrics.configUnsaved.Inc()
		return
	}
	b.metrics.configSaved.Inc()
}

// EngineDisk says where to look up how many bytes are free on the disk of an engine, negative if that cannot be told.
func (b *Board) EngineDisk(engine string, free func() int64) {
	b.metrics.engineDisk.lookedUp(func() float64 { return float64(free()) }, engine) // the first of an engine stays
}

// Removed says that n things of a kind (image, volume, orphan) were removed from an engine.
func (b *Board) Removed(engine, kind string, n int) {
	b.metrics.removed.counter(engine, kind).Add(n)
}

// remove forgets a job that has ended.
func (b *Board) remove(j *Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jobs = slices.DeleteFunc(b.jobs, func(other *Job) bool { return other == j })
}
