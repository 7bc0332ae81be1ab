package runner

import (
	"context"
	"slices"
	"strings"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/journal"
	"lced-runner/internal/trace"
)

// adoptable reports whether this process can go on with a job that another one left, or, after a start of the machine, find
// out how far it came.
func adoptable(record journal.Entry) bool {
	return record.Final == nil && record.Running != nil && record.Format == journal.Format && record.Job != nil && !record.Ended && !record.Behind
}

// rebooted reports whether the machine of the job's containers was started anew since the job began. Of a machine that is not
// this one nothing is known; its engine tells whether the containers still run.
func (l *account) rebooted() bool {
	local := strings.HasPrefix(l.entry.config.Docker.Engine(l.Env).Host, "unix://")
	return local && l.record.Boot != l.BootID
}

// spent is how much of its timeout the job has had. The wall clock may have jumped meanwhile.
func (l *account) spent() time.Duration {
	if l.record.Running == nil || l.rebooted() {
		return 0
	}
	return l.record.Begun.Ago()
}

// adopt goes on with a job that another process left; told says that GitLab was told of its end meanwhile.
func (r *Runner) adopt(poll, stay, jobs context.Context, p *poller, record journal.Entry, told bool) {
	e := p.entry()
	l := newLife(r, e, record.Job, r.slots.retake(p, record))
	l.record, l.up.debug = record, record.Debug
	enter(&l.account)
	o := l.traceOptions()
	o.ServicesGoOn = record.State != nil && record.State.Ready
	t, err := trace.Resume(o)
	if err != nil {
		l.log.Error("the log of a job that another process left cannot be read, so the log begins anew", "error", err)
		if t, err = trace.Open(o); err != nil {
			l.free()
			l.log.Error("the job cannot be kept; it stays running in GitLab until it gives it up", "error", err)
			return
		}
	}
	l.trace, l.up.over = t, told
	l.log.Info("going on with a job that another process left", "received", record.Received)
	l.lead(poll, stay, jobs)
}

// resume is the executor's job for a record of another process. Without a plan there is nothing on the engine yet, and the
// job is a new one.
func (l *life) resume(ctx context.Context) (*executor.Job, error) {
	switch {
	case l.record.Compiled != nil:
	case l.rebooted():
		return nil, executor.ErrRebootedAtStart
	default:
		return l.begin(ctx)
	}
	r := executor.Resumed{Rebooted: l.rebooted(), Continue: func(name string) executor.Section {
		if s := l.trace.Continue(name); s != nil {
			l.status.Stage(name)
			return s
		}
		return nil
	}}
	if l.record.State != nil {
		r.State = *l.record.State
	}
	return l.equip(executor.ResumeJob(l.entry.engine, l.record.Compiled.Plan, l.section, r), l.record.Compiled), nil
}

// masks are what the log of the job must not show: also what a part of its life that is over has told.
func (l *account) masks() []string {
	masks := append(slices.Clone(l.before.Masks), l.record.Token.Reveal(), l.entry.config.Token.Reveal())
	if r := l.record.Running; r != nil {
		masks = append(masks, r.Masks...)
		if r.Compiled != nil {
			masks = append(masks, r.Compiled.Masks...)
		}
	}
	return masks
}

// kept are the plans of the jobs that this process goes on with: nothing of them may be swept.
func kept(left []journal.Entry) []*executor.Plan {
	var plans []*executor.Plan
	for _, record := range left {
		if adoptable(record) && record.Compiled != nil {
			plans = append(plans, record.Compiled.Plan)
		}
	}
	return plans
}

// change keeps what another process needs to go on with the job.
func (l *account) change(c journal.Change) {
	if err := l.journal.Append(l.record, c); err != nil {
		l.log.Error("how far the job has come is only in memory", "error", err)
	}
}
