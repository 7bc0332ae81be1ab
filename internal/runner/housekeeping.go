package runner

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"sync"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/janitor"
)

// newJanitor looks after one engine. Disk and memory are those of this machine, so an engine of another one gets only its
// orphans removed.
func (cs *connections) newJanitor(ctx context.Context, engine *executor.Engine, where config.Engine) *janitor.Janitor {
	stock := engine.Stock()
	o := janitor.Options{
		Stock: stock, Known: cs.known, Logger: cs.Logger.With("engine", where.Host),
		Count: func(kind string, n int) { cs.Status.Removed(where.Host, kind, n) },
		File:  filepath.Join(cs.StateDir, fmt.Sprintf("uses-%08x.json", crc32.ChecksumIEEE([]byte(where.Host)))),
	}
	switch root, err := stock.DataRoot(ctx, cs.MountInfo); {
	case err != nil:
		o.Logger.Warn("the engine's disk is not watched", "error", err)
	case root != "":
		if _, err := janitor.Disk(root); err != nil {
			o.Logger.Warn("the engine's disk is not watched, as its directory cannot be seen from here", "error", err)
			break
		}
		cs.Status.EngineDisk(where.Host, func() int64 {
			space, err := janitor.Disk(root)
			if err != nil {
				return -1
			}
			return space.Free
		})
		o.Disk, o.Memory = func() (janitor.Space, error) { return janitor.Disk(root) }, janitor.Memory
	}
	j, err := janitor.New(o, limitsOf(cs.Config))
	if err != nil {
		o.Logger.Warn("which images and volumes are the oldest is not known", "error", err)
	}
	return j
}

func limitsOf(c *config.Config) janitor.Limits {
	return janitor.Limits{
		MinFreeDisk: int64(c.LCED.MinFreeDisk), MinFreeMemory: int64(c.LCED.MinFreeMemory),
		High: c.LCED.DiskHighWatermark, Low: c.LCED.DiskLowWatermark,
	}
}

// keepHouse starts the janitors that do not work yet, and listens to their engines, until ctx ends.
func (r *Runner) keepHouse(ctx context.Context, wg *sync.WaitGroup) {
	for where, j := range r.janitors {
		if r.housed[where] {
			continue
		}
		r.housed[where] = true
		engine := r.engines[where]
		wg.Go(func() { j.Run(ctx) })
		wg.Go(func() {
			if err := executor.FollowReloads(ctx, engine); err != nil {
				r.Logger.Warn("an engine that reads its configuration again must be restarted, or this runner, for jobs to see the change", "error", err)
			}
		})
	}
}

// knows reports whether something with these labels is of a job in the journal. While the journal cannot be read all is.
func (r *Runner) knows(labels map[string]string) bool {
	id, err := strconv.ParseInt(labels["com.gitlab.gitlab-runner.job.id"], 10, 64)
	if err != nil {
		return false
	}
	jobs, err := r.journal.Jobs()
	return err != nil || jobs[id]
}

// ready says why no job can be taken now; nil if one can.
func (r *Runner) ready(ctx context.Context, e *entry) error {
	err := e.engine.Ping(ctx)
	e.status.Engine(err == nil)
	if err != nil {
		return err
	}
	if err := r.journal.Room(room); err != nil {
		return err
	}
	if err = e.janitor.Refuse(ctx); err == nil {
		return nil
	}
	// What waits for some job takes what one that is there can use better.
	for _, pool := range []*dind.Pool[*executor.Spare]{r.helpers, r.warm} {
		if gone, rerr := pool.Relieve(ctx, ""); rerr != nil || gone {
			return errors.Join(rerr, e.janitor.Refuse(ctx))
		}
	}
	return err
}
