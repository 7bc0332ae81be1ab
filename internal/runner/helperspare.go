package runner

import (
	"context"
	"errors"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/plan"
)

// leaseHelper takes the helper that was kept of a job of the same place, if there is one. Whether it fits is for the executor.
func (l *life) leaseHelper(ctx context.Context, p *executor.Plan) *executor.Spare {
	if p.Helper == nil || p.Helper.Form == "" {
		return nil
	}
	l.helperPlace = plan.Place(l.input)
	kept, _ := l.helpers.Lease(ctx, l.helperPlace)
	return kept
}

// keepHelper keeps the helper of a job that has ended for the next one of its place. It comes before the slot is free, which the
// next one may take at once. What is not kept is removed with the job.
func keepHelper(ctx context.Context, l *life, run *executor.Job) {
	if l.helperPlace != "" {
		l.helpers.Release(l.helperPlace)
	}
	room := l.entry.helperRoom()
	if run == nil || run.IdleHelper() == nil || room.Limit == 0 || ctx.Err() != nil {
		return
	}
	h := run.IdleHelper()
	want := dind.Wanted{Runner: h.Labels[executor.LabelSpareRunner], Place: h.Labels[executor.LabelSparePlace], Form: h.Form}
	if err := l.helpers.Keep(ctx, want, room, run.KeepHelper); err != nil && ctx.Err() == nil {
		l.log.Debug("the next job of the project gets a helper that starts with it", "error", err)
	}
}

// helperRoom is how many helpers the runner may keep, and for how long.
func (e *entry) helperRoom() dind.Room {
	room := dind.Room{Limit: e.atOnce(), Free: freeMemory(e.global.LCED.MinFreeMemory), For: e.global.LCED.HelperIdle}
	if room.For <= 0 {
		room.Limit = 0
	}
	return room
}

// spareCheck is how often it is looked for helpers and networks that nobody needed in time.
const spareCheck = time.Minute

// expireSpares removes those.
func expireSpares(ctx context.Context, r *Runner) {
	if err := errors.Join(r.helpers.Expire(ctx), r.networks.Expire(ctx)); err != nil {
		r.Logger.Warn("could not remove what was kept for the next job", "error", err)
	}
}
