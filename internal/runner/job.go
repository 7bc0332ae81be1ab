package runner

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/journal"
	"lced-runner/internal/plan"
	"lced-runner/internal/status"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// account is what is kept of a job, on the disk and for GitLab.
type account struct {
	*Runner
	entry  *entry
	job    *jobapi.Job
	before plan.Foreseen // what is known of the job before it is compiled
	log    *slog.Logger
	record journal.Entry
	trace  *trace.Trace
	up     *uploader
	status *status.Job
	reason string     // failure_reason, once the job has ended; empty for a success
	input  plan.Input // of which the job was compiled
	fallen []*executor.ServiceError
	place  string // of which the job has leased the sidecar that was kept, if there was one
	keep   bool   // a sidecar is to be kept for the next such job

	helperPlace string          // of which the job has leased the helper that was kept
	network     *executor.Spare // was kept, and is the job's; nil: there was none
}

// life is one job at work.
type life struct {
	account
	slot   *slot
	leaves bool // it goes on without this process
}

func newLife(r *Runner, e *entry, job *jobapi.Job, s *slot) *life {
	return &life{slot: s, account: account{
		Runner: r, entry: e, job: job, before: plan.Foresee(job, e.config), log: e.log.With("job", job.ID), up: &uploader{api: e.api, job: job},
	}}
}

// enter counts the job as one that runs, until free.
func enter(l *account) {
	facts := factsOf(l.job)
	facts.TakenOver, facts.AlreadyRunning = l.record.Running != nil, l.spent()
	l.status, l.reason = l.entry.status.Begin(facts), jobapi.ReasonRunnerSystemFailure
	l.rations.runs(1)
}

// runJob is the life of one job:
//
//	journal ─► trace ─► PUT running ─► plan.Compile ─► executor.Run ─► outcome ─► final PUT ─► slot free ─► remove
//
// While it runs the trace is shipped; GitLab's replies carry the only thing that comes back, the cancel.
func (r *Runner) runJob(poll, stay, jobs context.Context, e *entry, job *jobapi.Job, s *slot) {
	l := newLife(r, e, job, s)
	enter(&l.account)
	if err := l.open(s); err != nil {
		l.log.Error("job cannot be kept, so it is given back as failed", "error", err)
		e.giveBack(jobs, job.ID, job.Token)
		l.free()
		return
	}
	l.lead(poll, stay, jobs)
}

// lead is the life of a job whose record and log are there, from its beginning or from where another process left it.
func (l *life) lead(poll, stay, jobs context.Context) {
	free := sync.OnceFunc(l.free)
	defer free()
	ctx, end := context.WithCancelCause(jobs)
	defer end(nil)
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, plan.Timeout(l.job)-l.spent(), errTimeout)
	defer cancelTimeout()
	steps, stopSteps := context.WithCancelCause(ctx)
	defer stopSteps(nil)
	left := l.leaveWith(stay, end)
	defer l.endWith(jobs)()

	if l.up.over {
		end(errOver)
	}
	stopShipping := l.ship(ctx, func(sig trace.Signal) {
		if sig == trace.Over {
			end(errOver)
		}
		stopSteps(executor.ErrCanceled)
	})
	l.entry.janitor.Begin()
	run, err := l.perform(ctx, steps)
	stopShipping()
	if left() {
		l.handOver(jobs, run)
		return
	}
	l.conclude(err)
	delivered := l.deliver(stay, l.entry.config.FinalUpdateRetries)
	keepHelper(poll, l, run)
	free()
	if run != nil {
		if err := run.Remove(jobs); err != nil {
			l.log.Error("could not remove everything of the job", "error", err)
			l.entry.janitor.Left()
		}
		settle(jobs, l, run.Stores.Names())
	}
	keepWarm(poll, l)
	if !delivered && poll.Err() == nil {
		// GitLab is away. The ending lies in the journal, so that stopping the runner need not wait for it for long.
		l.deliver(poll, math.MaxInt)
	}
}

// free gives the job's slot back. A job that is left has not ended.
func (l *life) free() {
	l.slot.free()
	if !l.leaves {
		l.status.End(l.reason)
	}
	l.rations.runs(-1)
}

// perform has the job obeyed. The executor's job is returned for its removal, even with an error.
func (l *life) perform(ctx, steps context.Context) (run *executor.Job, err error) {
	if ctx.Err() != nil && l.record.Compiled == nil { // GitLab ended the job before it began
		return nil, context.Cause(ctx)
	}
	if run, err = l.resume(ctx); err != nil {
		return nil, err
	}
	defer l.stores.hold(l.record.Compiled.Plan)()
	defer started(run, l.status)
	err = run.Run(ctx, steps)
	l.fallen = run.Fallen
	return run, err
}

// begin compiles the job.
func (l *life) begin(ctx context.Context) (*executor.Job, error) {
	l.head()
	compiled, spare, err := l.compileWarm(ctx)
	interpolated(l.status, compiled, err)
	if err != nil {
		returnNetwork(ctx, l)
		return nil, err
	}
	l.trace.AddMasks(compiled.Masks...)
	for _, w := range compiled.Warnings {
		l.trace.Warn("%s", w)
	}
	l.tellImages(compiled.Plan)
	l.change(journal.Change{Compiled: compiled})
	run := l.equip(l.entry.engine.NewJob(compiled.Plan, l.section), compiled)
	run.Spare, l.keep = spare, compiled.Spare != nil
	run.Helper, run.Network = l.leaseHelper(ctx, compiled.Plan), l.network
	return run, nil
}

// equip connects a job on the engine with the log, the journal and the terminal.
func (l *life) equip(run *executor.Job, c *plan.Compiled) *executor.Job {
	l.record.Compiled = c
	run.Save = func(s executor.State) { l.change(journal.Change{State: &s}) }
	run.Grace = l.grace
	run.KeepNetwork = func(ctx context.Context, form string, take func(context.Context) (*executor.Spare, error)) bool {
		return keepNetwork(ctx, l, form, take)
	}
	l.offerTerminal(run)
	run.Again = func(e *executor.ServiceError) bool { return dind.MayPass(e.Log) }
	if c.Services {
		run.ServiceLog = func(service, fd int) io.WriteCloser {
			return l.trace.Service(service, c.Plan.Services[service].Aliases, fd)
		}
	}
	return run
}

func (l *life) compile(ctx context.Context) (*plan.Compiled, error) {
	e := l.entry
	own, facts, err := l.engineFacts(ctx, e)
	if err != nil {
		return nil, err
	}
	logins, warnings, err := DockerLogins(ctx, l.DockerAuth())
	if err != nil {
		return nil, err
	}
	ofJob, more, err := DockerLogins(ctx, l.before.DockerAuth)
	if err != nil {
		return nil, err
	}
	for _, w := range slices.Concat(warnings, more) {
		l.trace.Warn("%s", w)
	}
	l.input = plan.Input{
		Job: l.job, Runner: e.config, SystemID: l.SystemID, RunnerHost: l.Host, Slot: l.slot.number, ProjectSlot: l.slot.inside,
		Started: l.record.Received, Random: random(), OwnImage: own, Facts: *facts, Version: l.Version, Revision: l.Revision,
		DockerAuth: logins, JobAuth: ofJob, ServerCA: plan.ServerCA(e.ca, l.job), ClientCert: e.cert, ClientKey: e.key, Certificates: dind.CertificateFiles,
		Cache: l.signer(), Images: map[string]executor.ImageConfig{},
	}
	leaseNetwork(ctx, l)
	for {
		compiled, err := plan.Compile(l.input)
		unknown, ok := errors.AsType[*plan.UnknownImageError](err)
		if !ok {
			return compiled, err
		}
		seen, err := executor.LookAt(ctx, e.engine, unknown.Image)
		if err != nil {
			return nil, err
		}
		l.input.Images[unknown.Image.Ref] = *seen
	}
}

// conclude ends the log and writes the ending into the journal.
func (l *account) conclude(err error) {
	l.explain(err)
	o := outcomeOf(err, plan.Timeout(l.job))
	if o.state == jobapi.StateSuccess {
		l.trace.Info("%s", o.line)
	} else {
		l.trace.Error("%s", o.line)
	}
	l.reason = o.reason
	final := &journal.Final{State: o.state, ExitCode: o.exitCode}
	if o.state == jobapi.StateFailed {
		final.FailureReason = jobapi.MapFailureReason(o.reason, l.job.Features.FailureReasons)
	}
	if _, err := l.trace.Close(); err != nil {
		l.log.Error("the job log could not be saved whole", "error", err)
	}
	l.up.over = errors.Is(err, errOver)
	l.up.final, l.record.Final, l.record.Running = final, final, nil
	if err := l.journal.Put(l.record); err != nil {
		l.log.Error("the job's ending is only in memory", "error", err)
	}
	l.log.Info("job finished", "state", final.State, "reason", final.FailureReason, "exit_code", final.ExitCode, "error", err)
}

// deliver brings the rest of the log and the ending to GitLab, and then forgets the job. The end of ctx, a runner that is
// being stopped, leaves it shutdown_timeout, or a moment if another process takes over.
func (l *account) deliver(ctx context.Context, tries int) bool {
	if !l.up.over {
		ctx, cancel := patient(ctx, l.patience)
		defer cancel()
		if err := l.trace.Finish(ctx, l.up, tries); err != nil {
			l.log.Error("GitLab has not taken the job's ending; it is tried again, after a restart if need be", "error", err)
			return false
		}
	}
	l.forget()
	return true
}

// patient outlives ctx by a while, which is asked for when it ends.
func patient(ctx context.Context, while func(ended context.Context) time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(while(ctx), func() { cancel(errShutdown) })
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() {
		stop()
		cancel(nil)
	}
}

// errShutdown is why the delivery of an ending stops.
var errShutdown = errors.New("GitLab did not take the job's ending in time")

// forget removes what was kept of a job that needs nothing more.
func (l *account) forget() {
	if err := errors.Join(l.journal.Remove(l.record), l.trace.Remove()); err != nil {
		l.log.Error("could not remove the job's log and journal record", "error", err)
	}
}

// open makes the job durable: from here on a crash of this process leaves a record, and the next one reports the job.
func (l *account) open(s *slot) error {
	l.record = journal.Entry{
		Debug: l.before.Debug, JobID: l.job.ID, Token: l.job.Token, URL: l.entry.config.URL, Received: time.Now(),
		Spool: journal.Name(l.entry.config.URL, l.job.ID) + ".log", Sections: l.job.Features.TraceSections,
		OutputLimit: l.entry.config.OutputLimit, FailureReasons: l.job.Features.FailureReasons,
		Runner:  jobapi.ShortToken(l.entry.config.Token.Reveal()),
		Running: &journal.Running{Format: journal.Format, Boot: l.BootID, Begun: executor.Now(), Slot: s.number, ProjectSlot: s.inside, Job: l.job},
	}
	l.up.debug = l.record.Debug
	begun := time.Now()
	if err := l.journal.Put(l.record); err != nil {
		return err
	}
	l.log.Debug("from here on the job outlives this process", "took", time.Since(begun))
	o := l.traceOptions()
	flags, _ := plan.ResolveFlags(l.job, l.entry.config) // plan.Compile warns of bad values
	o.Timestamps, o.FewPrefixes, o.PatientKeepAlive = flags["FF_TIMESTAMPS"], !flags["FF_MASK_ALL_DEFAULT_TOKENS"], flags["FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL"]
	if l.Live != nil {
		o.Live = l.Live(l.job)
	}
	t, err := trace.Open(o)
	if err != nil {
		return errors.Join(err, l.journal.Remove(l.record))
	}
	l.trace = t
	return nil
}
