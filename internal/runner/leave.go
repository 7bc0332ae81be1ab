package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/journal"
	"lced-runner/internal/trace"
)

// leaveWith ends this process's part in the job with stay, unless all jobs end with that. left ends the watch and tells
// whether the job is left.
func (l *life) leaveWith(stay context.Context, end context.CancelCauseFunc) (left func() bool) {
	leaving := func() bool { return errors.Is(context.Cause(stay), executor.ErrLeft) }
	done := make(chan struct{})
	stop := context.AfterFunc(stay, func() {
		defer close(done)
		if leaving() {
			l.trace.Leave() // before anything of the job's end can reach the log
			end(executor.ErrLeft)
		}
	})
	return func() bool {
		if stop() {
			return false
		}
		<-done
		return leaving()
	}
}

// endWith notes with the end of all jobs that nobody may go on with this one: where its containers cannot be ended now, as with
// an engine that hangs, the next process ends them.
func (l *account) endWith(jobs context.Context) (stop func() bool) {
	record := l.record
	return context.AfterFunc(jobs, func() {
		if err := l.journal.Append(record, journal.Change{Ended: true}); err != nil {
			l.log.Error("the next process may go on with a job that was to end", "error", err)
			return
		}
		l.log.Debug("from here on no process goes on with the job")
	})
}

// leftJob is a job that goes on without this process, and its containers, if it has any yet.
type leftJob struct {
	*life
	run *executor.Job
}

// handOver leaves the job, with its containers as they are, to the next process; unless the end of all jobs comes meanwhile.
func (l *life) handOver(jobs context.Context, run *executor.Job) {
	left := leftJob{l, run}
	if jobs.Err() != nil {
		left.end(jobs)
		return
	}
	l.leaves = true
	l.log.Info("the job goes on without this process")
	l.leaving.Lock()
	defer l.leaving.Unlock()
	l.left = append(l.left, left)
}

// end ends a job that was to go on without this process.
func (l leftJob) end(jobs context.Context) {
	if l.leaves {
		defer func() { l.status.End(l.reason) }()
	}
	l.change(journal.Change{Ended: true})
	t, err := trace.Resume(l.traceOptions())
	if err != nil {
		l.log.Error("the end of the job cannot be logged", "error", err)
		return
	}
	l.trace = t
	if l.run != nil {
		executor.Interrupt(jobs, l.run)
		l.run.Kill(jobs)
	}
	l.conclude(context.Cause(jobs))
	l.deliver(jobs, l.entry.config.FinalUpdateRetries)
	if l.run != nil {
		if err := l.run.Remove(jobs); err != nil {
			l.log.Error("could not remove everything of the job", "error", err)
		}
	}
}

// endLeft ends the jobs that were to go on without this process, and what was to wait for the next one.
func endLeft(jobs context.Context, r *Runner) {
	bound, cancel := context.WithTimeoutCause(context.WithoutCancel(jobs), standbyTime, errors.New("the engine was too slow"))
	defer cancel()
	recall(bound, r)
	var wg sync.WaitGroup
	for _, l := range r.left {
		wg.Go(func() { l.end(jobs) })
	}
	wg.Wait()
	r.left = nil
}

// leaveDelivery is how long the delivery of an ending may take that the next process can make as well.
const leaveDelivery = 2 * time.Second

// patience is how long the delivery of an ending goes on when the runner is being stopped.
func (l *account) patience(stopped context.Context) time.Duration {
	if errors.Is(context.Cause(stopped), executor.ErrLeft) {
		return leaveDelivery
	}
	return l.entry.global.ShutdownTimeout - l.grace(ErrInterrupted)
}

// grace is how long a script that is interrupted for this cause has. A runner that is being stopped has shutdown_timeout for that and
// for the delivery of the ending.
func (l *account) grace(cause error) time.Duration {
	if errors.Is(cause, ErrInterrupted) {
		return min(executor.TermGrace, l.entry.global.ShutdownTimeout/2)
	}
	return executor.TermGrace
}
