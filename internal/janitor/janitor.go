// Package janitor keeps a board's disk and memory from running full. It removes what nobody needs (orphans), and when the
// disk fills up what was not used for longest: images that jobs pulled, and reusable volumes. And it says when a board has too
// little left to take a job.
//
// Uses come in by Note, the engine's stock by Items; Discard goes out. What a running job has is busy and stays. An image that
// no job brought is the operator's and stays too. No decision depends on the clock: uses are numbered, since a board may start
// in 1970.
package janitor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lced-runner/executor"
)

// Stock is what an engine keeps.
type Stock interface {
	Items(ctx context.Context) ([]executor.Item, error)
	Discard(ctx context.Context, i executor.Item) error
	// Orphans removes what known does not know, if it was seen before; it returns what is to be seen the next time, and how
	// many it removed.
	Orphans(ctx context.Context, known func(labels map[string]string) bool, seen map[string]bool) (next map[string]bool, removed int, err error)
}

// Limits are those of the configuration.
type Limits struct {
	MinFreeDisk   int64 // bytes
	MinFreeMemory int64 // bytes
	High, Low     int   // percent of the disk in use at which cleaning begins, and to which it goes on
}

// Space is what a file system has, in bytes.
type Space struct{ Free, Total int64 }

// used is in percent.
func (s Space) used() int {
	if s.Total <= 0 {
		return 0
	}
	return int((s.Total - s.Free) * 100 / s.Total)
}

// Options are what a Janitor is made of.
type Options struct {
	Stock  Stock
	Disk   func() (Space, error) // of the engine's data; nil for an engine of another machine
	Memory func() (int64, error) // available, in bytes; nil as above
	Known  func(labels map[string]string) bool
	Count  func(kind string, n int) // is told how many of a kind (image, volume, orphan) were removed
	File   string                   // where uses are written down
	Logger *slog.Logger
}

// Janitor looks after one engine.
type Janitor struct {
	Options
	records *records

	mu       sync.Mutex
	limits   Limits
	begun    []time.Time     // of the jobs of the last settling time
	seen     map[string]bool // orphans of the last look
	left     bool            // something of an ended job could not be removed
	cleaning sync.Mutex
	barren   time.Time // when a cleaning last found nothing more to remove
}

// New reads what was used when. The error is about that file, without which the janitor works as well: all things then count
// as used at the same time.
func New(o Options, l Limits) (*Janitor, error) {
	r, err := readRecords(o.File)
	return &Janitor{Options: o, records: r, limits: l}, err
}

// SetLimits takes those of a configuration that was read again.
func (j *Janitor) SetLimits(l Limits) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.limits = l
}

func (j *Janitor) now() Limits {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.limits
}

// rounds is the pause between two looks at disk and orphans.
const rounds = 5 * time.Minute

// Run looks again and again until ctx ends.
func (j *Janitor) Run(ctx context.Context) {
	tick := time.NewTicker(rounds)
	defer tick.Stop()
	for {
		j.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			j.save()
			return
		}
	}
}

func (j *Janitor) round(ctx context.Context) {
	var err error
	if j.seen, err = j.orphans(ctx, j.seen); err != nil && ctx.Err() == nil {
		j.Logger.Warn("could not remove everything that was left on the engine", "error", err)
	}
	if err := j.Clean(ctx); err != nil && ctx.Err() == nil {
		j.Logger.Warn("could not make room on the disk", "error", err)
	}
	j.save()
}

// orphans removes them, and counts.
func (j *Janitor) orphans(ctx context.Context, seen map[string]bool) (map[string]bool, error) {
	next, removed, err := j.Stock.Orphans(ctx, j.Known, seen)
	j.Count("orphan", removed)
	return next, err
}

// Note takes a use. An image that came with the job is written down at once: nobody else knows that it may go again.
func (j *Janitor) Note(u executor.Use) {
	if j.records.note(u) {
		j.save()
	}
}

func (j *Janitor) save() {
	if err := j.records.save(); err != nil {
		j.Logger.Warn("which images and volumes were used last is only in memory", "error", err)
	}
}

// barrenPause is how long a cleaning that found too little is not tried again, by requests for jobs that come every few seconds.
const barrenPause = time.Minute

// Clean removes what was not used for longest while the disk is fuller than the high mark, down to the low one.
func (j *Janitor) Clean(ctx context.Context) error {
	j.cleaning.Lock()
	defer j.cleaning.Unlock()
	if j.Disk == nil || !j.barren.IsZero() && time.Since(j.barren) < barrenPause {
		return nil
	}
	limits := j.now()
	space, err := j.Disk()
	if err != nil || space.used() < limits.High && space.Free >= limits.MinFreeDisk {
		return err
	}
	last := j.records.last()
	items, err := j.Stock.Items(ctx)
	if err != nil {
		return err
	}
	idle := j.records.idle(items, last)
	j.Logger.Info("the disk fills up: what was not used for longest is removed", "used_percent", space.used(), "until_percent", limits.Low, "idle", len(idle))
	removed := 0
	for _, item := range idle {
		if space, err = j.Disk(); err != nil || space.used() <= limits.Low && space.Free >= limits.MinFreeDisk {
			break
		}
		if err := j.Stock.Discard(ctx, item); err != nil {
			if ctx.Err() != nil {
				return err
			}
			j.Logger.Debug("not removed", "image", item.Image, "volume", item.Volume, "error", err)
			continue
		}
		removed++
		j.Count(kindOf(item), 1)
		j.records.forget(item, last)
		j.Logger.Info("removed, as nobody used it for longest", "image", item.Image, "tags", item.Refs, "volume", item.Volume)
	}
	if space, err = j.Disk(); err == nil && space.used() > limits.Low {
		j.barren = time.Now()
		j.Logger.Warn("the disk is still fuller than it should be, and nothing else may be removed: the rest is not of jobs, or in use",
			"used_percent", space.used(), "free_mib", space.Free>>20, "removed", removed)
	}
	return err
}

func kindOf(i executor.Item) string {
	if i.Volume != "" {
		return "volume"
	}
	return "image"
}

// Left notes that not everything of an ended job could be removed, as where the engine hung: no job is taken until it is.
func (j *Janitor) Left() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.left = true
}

// twoLooks is how long something must have been without an owner that is removed before the next job is taken: what this process
// has just made, or is about to hand over, is claimed by then.
const twoLooks = time.Second

func (j *Janitor) removeLeft(ctx context.Context) error {
	j.mu.Lock()
	left := j.left
	j.mu.Unlock()
	if !left {
		return nil
	}
	seen, err := j.orphans(ctx, nil)
	if err == nil {
		select {
		case <-time.After(twoLooks):
			_, err = j.orphans(ctx, seen)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.left = false
	}
	return err
}

// settling is how long a job may take until the memory that it needs is taken.
const settling = 30 * time.Second

// Begin notes that a job begins.
func (j *Janitor) Begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begun = append(j.begun, time.Now())
}

// settlingJobs is how many jobs have begun so lately that the memory which they need does not show yet.
func (j *Janitor) settlingJobs() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.begun) > 0 && time.Since(j.begun[0]) >= settling {
		j.begun = j.begun[1:]
	}
	return len(j.begun)
}

// Refuse says why no further job can be taken now; nil if one can. A disk that is too full is cleaned first.
func (j *Janitor) Refuse(ctx context.Context) error {
	if err := j.removeLeft(ctx); err != nil {
		return fmt.Errorf("containers of a job that has ended are still there, and may use what the next one needs: %w", err)
	}
	limits := j.now()
	if j.Memory != nil && limits.MinFreeMemory > 0 {
		free, err := j.Memory()
		if err != nil {
			return err
		}
		// Ten jobs that begin at once would all find the same free memory.
		need := limits.MinFreeMemory * int64(1+j.settlingJobs())
		if free < need {
			return fmt.Errorf("this board has only %d MiB of memory left, and a job is taken with %d MiB for itself and for each job that has just begun (min_free_memory in [lced])", free>>20, limits.MinFreeMemory>>20)
		}
	}
	if j.Disk == nil {
		return nil
	}
	space, err := j.Disk()
	if err != nil || space.Free >= limits.MinFreeDisk {
		return err
	}
	if err := j.Clean(ctx); err != nil {
		return err
	}
	if space, err = j.Disk(); err == nil && space.Free < limits.MinFreeDisk {
		return fmt.Errorf("the docker engine's disk has only %d MiB left, and a job is taken with %d MiB or more (min_free_disk in [lced]): remove what is not of jobs, such as other images (docker system df)", space.Free>>20, limits.MinFreeDisk>>20)
	}
	return err
}
