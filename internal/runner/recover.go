package runner

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"lced-runner/executor"
	"lced-runner/internal/journal"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// recoverJobs goes on with the jobs that an earlier process of this runner left in the journal, and reports those that had
// ended. What is on the engine of no such job is removed first.
func (r *Runner) recoverJobs(poll, stay, jobs context.Context, wg *sync.WaitGroup) {
	left, err := r.journal.Left()
	if err != nil {
		r.Logger.Error("parts of the journal cannot be read; the jobs in them stay running in GitLab until it gives them up", "error", err)
	} else if err := removeLogs(r.StateDir, left); err != nil {
		r.Logger.Warn("logs of jobs that are over may be left in the state directory", "error", err)
	}
	told := recall(poll, r)
	plans := kept(left)
	r.sweep(poll, plans, func(e *executor.Engine) []*executor.Spare { return adoptSpares(poll, r, e, plans) })
	for _, record := range left {
		switch p := r.pollerFor(record); {
		case p == nil:
			r.Logger.Error("an unreported job belongs to a GitLab that is not in the configuration any more; add it again and restart, or remove the record",
				"job", record.JobID, "url", record.URL)
		case adoptable(record):
			wg.Go(func() { r.adopt(poll, stay, jobs, p, record, record.Running != nil && told[record.Standby]) })
		default:
			wg.Go(func() { r.report(stay, p.entry(), record) })
		}
	}
}

// removeLogs removes the logs of which no record tells: the process was killed while it forgot their jobs.
func removeLogs(dir string, left []journal.Entry) error {
	logs, err := filepath.Glob(filepath.Join(dir, "job-*.log"))
	for _, path := range logs {
		if !slices.ContainsFunc(left, func(e journal.Entry) bool { return filepath.Base(e.Spool) == filepath.Base(path) }) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// pollerFor is the runner that took a job; if it is not in the configuration any more, another one of the same GitLab.
func (r *Runner) pollerFor(record journal.Entry) *poller {
	var any *poller
	for _, p := range r.pollers {
		c := p.entry().config
		switch {
		case c.URL != record.URL:
		case jobapi.ShortToken(c.Token.Reveal()) == record.Runner:
			return p
		case any == nil:
			any = p
		}
	}
	return any
}

// report tells GitLab how a job ended: as its record says, or as failed if it is one that nobody can go on with.
func (r *Runner) report(ctx context.Context, e *entry, record journal.Entry) {
	l := newLife(r, e, &jobapi.Job{ID: record.JobID, Token: record.Token}, nil)
	l.record, l.up.debug = record, record.Debug
	o := l.traceOptions()
	t, err := trace.Resume(o)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = trace.Open(o)
	}
	if err != nil {
		l.log.Error("the log of an unreported job cannot be read; the job stays running in GitLab until it gives it up", "error", err)
		return
	}
	l.trace = t
	final := record.Final
	if final == nil {
		final = &journal.Final{State: jobapi.StateFailed, FailureReason: jobapi.ReasonRunnerSystemFailure}
		why := "the runner was restarted while this job was running"
		if record.Behind {
			why += ", and its disk had been too full to write down how far the job had come"
		}
		t.Error("Job failed (system failure): %s", why)
	}
	if _, err := t.Close(); err != nil {
		l.log.Error("the job log could not be saved whole", "error", err)
	}
	l.up.final, l.up.running = final, trace.Reached(t) // it may have the ending too, after which nobody says that a job runs
	l.log.Warn("reporting a job that an earlier process left", "state", final.State, "reason", final.FailureReason, "received", record.Received)
	l.deliver(ctx, math.MaxInt)
}
