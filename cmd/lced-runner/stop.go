package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/runner"
)

// stopping says how signals end the process.
type stopping struct {
	leave   bool          // SIGTERM leaves the running jobs to the next process
	timeout time.Duration // that jobs have to end when they are aborted
	also    []os.Signal   // in addition to SIGTERM and SIGINT
	log     *slog.Logger
}

// errDrain is why polling ends.
var errDrain = errors.New("the runner is stopping")

const (
	// stopGrace is how much longer than shutdown_timeout a stop may take: the delivery of an ending gives up by that, and
	// keeps the ending for the next start.
	stopGrace = 10 * time.Second
	// leaveTime is how long leaving the jobs may take. Docker gives a container 10 s to end. Whatever is not done by then is
	// done by the next start, as after a crash.
	leaveTime = 4 * time.Second
)

// lifetimes makes the contexts of polling, of watching over the running jobs, and of the jobs themselves, and lets signals end
// them: SIGQUIT ends polling and lets jobs finish; SIGTERM and its like leave the jobs to the next process, if that is how
// the runner stops, and else end them, as another one does; the next one, or a stop that takes too long (an engine that
// hangs), ends the process.
func lifetimes(ctx context.Context, how stopping) (poll, stay, jobs context.Context, stop func()) {
	jobs, endJobs := context.WithCancelCause(ctx)
	stay, endStay := context.WithCancelCause(jobs)
	poll, endPoll := context.WithCancelCause(stay)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, append(how.also, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGINT)...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		late := time.AfterFunc(0, func() {})
		for s := range signals {
			switch log := how.log.With("signal", s.String()); {
			case s == syscall.SIGQUIT:
				log.Info("no new jobs, waiting for the running ones")
				endPoll(errDrain)
			case jobs.Err() != nil:
				log.Error("one more signal: exit at once, whatever is still running")
				os.Exit(1)
			case how.leave && stay.Err() == nil:
				log.Info("leaving the running jobs to the next process")
				endStay(executor.ErrLeft)
				late = time.AfterFunc(leaveTime, func() { os.Exit(0) })
			default:
				late.Stop()
				log.Info("ending all jobs")
				endJobs(runner.ErrInterrupted)
				late = time.AfterFunc(how.timeout+stopGrace, func() {
					log.Error("the jobs did not end within shutdown_timeout: exit at once, whatever is still running")
					os.Exit(1)
				})
			}
		}
		late.Stop()
	}()
	return poll, stay, jobs, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		endJobs(nil)
	}
}
