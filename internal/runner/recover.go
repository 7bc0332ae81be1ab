package runner

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"sync"

	"lced-runner/internal/journal"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// recoverJobs reports the jobs that an earlier process of this runner left in the journal: those that had ended with their
// ending, the others as failed, with their log up to the cut. It runs after the engine was swept, so nothing of them runs
// any more.
func (r *Runner) recoverJobs(ctx context.Context, wg *sync.WaitGroup) {
	left, err := r.journal.Left()
	if err != nil {
		r.Logger.Error("parts of the journal cannot be read; the jobs in them stay running in GitLab until it gives them up", "error", err)
	}
	for _, record := range left {
		e := r.entryFor(record.URL)
		if e == nil {
			r.Logger.Error("an unreported job belongs to a GitLab that is not in the configuration any more; add it again, or remove the record",
				"job", record.JobID, "url", record.URL)
			continue
		}
		wg.Go(func() { r.recoverJob(ctx, e, record) })
	}
}

func (r *Runner) entryFor(url string) *entry {
	for _, p := range r.pollers {
		if e := p.entry(); e.config.URL == url {
			return e
		}
	}
	return nil
}

func (r *Runner) recoverJob(ctx context.Context, e *entry, record journal.Entry) {
	l := &life{Runner: r, entry: e, job: &jobapi.Job{ID: record.JobID, Token: record.Token}, log: e.log.With("job", record.JobID), record: record}
	o := r.traceOptions(record, record.Token, e.config.Token)
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
		t.Error("Job failed (system failure): the runner was restarted while this job was running")
	}
	if _, err := t.Close(); err != nil {
		l.log.Error("the job log could not be saved whole", "error", err)
	}
	l.up = &uploader{api: e.api, job: l.job, final: final}
	l.log.Warn("reporting a job that an earlier process left", "state", final.State, "reason", final.FailureReason, "received", record.Received)
	l.deliver(ctx, math.MaxInt)
}
