package runner

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"lced-runner/jobapi"
)

// maxBackOff bounds the pause while GitLab or the engine cannot be reached: a board must be back within a minute.
const maxBackOff = time.Minute

// health counts what goes wrong with one runner's requests.
type health struct {
	refused int // in a row: only a refused token counts, see jobapi.Unhealthy
	failed  int // in a row: anything else
}

// poll asks for jobs while there are free slots, until ctx ends or the configuration does not want it any more. start runs a
// job and frees its slot.
func (r *Runner) poll(ctx context.Context, p *poller, start func(*entry, *jobapi.Job, *slot)) {
	p.introduced.Do(func() { p.entry().introduce(ctx) })
	r.slots.join(1)
	defer r.slots.join(-1)
	var h health
	var last *entry
	for ctx.Err() == nil {
		e := p.next()
		if e == nil {
			return
		}
		if e != last {
			h, last = health{}, e // the new configuration may be the remedy
		}
		e.status.Waits()
		s, err := r.slots.take(ctx, p, e)
		if err != nil {
			continue
		}
		job, err := r.request(ctx, e, s)
		if job == nil {
			s.free()
			if ctx.Err() == nil && !(jobapi.Unhealthy(err) && p.outdated(ctx, e)) {
				e.sleep(ctx, h.pause(err, e))
			}
			continue
		}
		h = health{}
		e.status.Answered()
		e.log.Info("job received", "job", job.ID, "project", job.JobInfo.ProjectFullPath)
		now := p.entry() // the configuration may have been read again while GitLab held the request
		s.forProject(now.config.Token, job.JobInfo.ProjectID)
		start(now, job, s)
		e.sleep(ctx, e.afterJob())
	}
}

// afterJob is the pause after a job was received. There may be more where this came from, so GitLab is asked again at once.
func (e *entry) afterJob() time.Duration {
	if e.config.StrictCheckInterval {
		return e.global.CheckInterval
	}
	return 0
}

// room is what must be left on the disk before a job is taken: some logs of the usual limit of 4 MiB, and the journal.
const room = 16 << 20

// ask has GitLab hand out a job. It outlives ctx by the answer that may be on its way.
func (e *entry) ask(ctx context.Context, ask jobapi.Ask) (*jobapi.Job, error) {
	begun := time.Now()
	ctx, cancel := patient(ctx, func(context.Context) time.Duration { return max(0, answerTime-time.Since(begun)) })
	defer cancel()
	return e.api.Request(ctx, ask)
}

// answerTime is how long a request goes on that was begun just before the runner is stopped: its answer may hand out a job, of
// which nobody else would know. A request that has waited longer is held by GitLab, which answers held requests without a job.
const answerTime = 2 * time.Second

// request asks for a job, unless the board is not ready for one.
func (r *Runner) request(ctx context.Context, e *entry, s *slot) (*jobapi.Job, error) {
	defer e.status.Asks()()
	if err := r.ready(ctx, e); err != nil {
		return nil, err
	}
	job, err := e.ask(ctx, jobapi.Ask{Session: s.openTerminal(r.sessions), AtOnce: r.slots.scarce()})
	if bad, ok := errors.AsType[*jobapi.BadPayloadError](err); ok && bad.ID != 0 && bad.Token != "" {
		e.giveBack(ctx, bad.ID, bad.Token)
	}
	return job, err
}

// giveBack reports a job as failed that cannot be run here: GitLab believes that it runs.
func (e *entry) giveBack(ctx context.Context, id int64, token jobapi.Secret) {
	for _, u := range []jobapi.Update{
		{State: jobapi.StateRunning},
		{State: jobapi.StateFailed, FailureReason: jobapi.ReasonRunnerSystemFailure},
	} {
		if _, err := e.api.UpdateJob(ctx, id, token, u); err != nil {
			e.log.Error("could not report a job as failed that cannot be run", "job", id, "error", err)
			return
		}
	}
}

// pause says how long to wait before the next request.
func (h *health) pause(err error, e *entry) (wait time.Duration) {
	interval := e.global.CheckInterval
	switch {
	case err == nil:
		*h = health{}
		e.status.Answered()
		return interval
	case jobapi.Unhealthy(err):
		h.failed = 0
		h.refused++
		defer func() { e.status.Pauses(err, true, wait) }()
		e.log.Error("GitLab refuses this runner", "error", err)
		if h.refused >= e.config.UnhealthyLimit {
			h.refused = 0
			e.log.Error("runner pauses", "for", e.config.UnhealthyInterval, "after_refusals", e.config.UnhealthyLimit)
			return e.config.UnhealthyInterval
		}
		return interval
	}
	h.refused = 0
	h.failed++
	wait = min(interval<<min(h.failed-1, 10), maxBackOff)
	wait = wait/2 + rand.N(wait/2+1)
	e.status.Pauses(err, false, wait)
	e.log.Warn("cannot take jobs right now", "error", err, "next_try_in", wait.Round(time.Millisecond))
	return wait
}

// sleep ends early with ctx, or when the entry is replaced.
func (e *entry) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-e.replaced:
	case <-t.C:
	}
}
