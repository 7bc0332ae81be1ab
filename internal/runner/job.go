package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/plan"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// runJob is the life of one job:
//
//	trace.Open ─► PUT running ─► plan.Compile ─► executor.Run ─► outcome ─► final PUT ─► slot free ─► remove
//
// While it runs the trace is shipped; GitLab's replies carry the only thing that comes back, the cancel.
func (r *Runner) runJob(jobs context.Context, e *entry, job *jobapi.Job, s *slot) {
	log := e.log.With("job", job.ID)
	ctx, end := context.WithCancelCause(jobs)
	defer end(nil)
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, plan.Timeout(job), errTimeout)
	defer cancelTimeout()
	steps, stopSteps := context.WithCancelCause(ctx)
	defer stopSteps(nil)

	freed := sync.OnceFunc(s.free)
	defer freed()
	t, err := r.openTrace(e, job)
	if err != nil {
		log.Error("job cannot have a log; giving it back as failed", "error", err)
		r.refusePayload(ctx, e, &jobapi.BadPayloadError{ID: job.ID, Token: job.Token, Err: err})
		return
	}
	defer t.Remove()
	up := &uploader{api: e.api, job: job}
	if reply, err := up.KeepAlive(ctx, trace.Sum{}); err == nil && reply.Outcome == trace.Over {
		log.Info("job was over before it began")
		return
	} else if reply.Canceling {
		stopSteps(executor.ErrCanceled)
	}
	shipped := r.ship(ctx, t, up, func(sig trace.Signal) {
		if sig == trace.Over {
			end(errOver)
		}
		stopSteps(executor.ErrCanceled)
	})
	r.head(t, e)
	run, err := r.perform(ctx, steps, e, job, s, t, up)
	shipped()

	r.finish(jobs, e, t, up, err)
	log.Info("job finished", "state", up.final.State, "reason", up.final.FailureReason, "exit_code", up.final.ExitCode, "error", err)
	freed()
	if run != nil {
		if err := run.Remove(jobs); err != nil {
			log.Error("could not remove everything of the job", "error", err)
		}
	}
}

// perform compiles the job and has it obeyed. The executor's job is returned for its removal, even with an error.
func (r *Runner) perform(ctx, steps context.Context, e *entry, job *jobapi.Job, s *slot, t *trace.Trace, up *uploader) (*executor.Job, error) {
	compiled, err := r.compile(ctx, e, job, s)
	if err != nil {
		return nil, err
	}
	for _, m := range compiled.Masks {
		t.AddMask(m)
	}
	for _, w := range compiled.Warnings {
		t.Warn("%s", w)
	}
	up.debug = compiled.Debug
	run := e.engine.NewJob(compiled.Plan, func(name, title string) executor.Section { return t.Section(name, title) })
	err = run.Run(ctx, steps)
	explain(t, err)
	return run, err
}

func (r *Runner) compile(ctx context.Context, e *entry, job *jobapi.Job, s *slot) (*plan.Compiled, error) {
	own, err := e.engine.OwnImage(ctx, r.MountInfo, e.config.Docker.HelperImage, executor.ReleaseImage(r.Version))
	if err != nil {
		return nil, err
	}
	facts, err := e.engine.Facts(ctx, own, factsCommand())
	if err != nil {
		return nil, err
	}
	var random [8]byte
	rand.Read(random[:])
	return plan.Compile(plan.Input{
		Job: job, Runner: e.config, SystemID: r.SystemID, RunnerHost: r.Host, Slot: s.number, ProjectSlot: s.inside,
		Random: hex.EncodeToString(random[:]), OwnImage: own, Facts: *facts, Version: r.Version, Revision: r.Revision,
		DockerAuth: r.DockerAuth, ServerCA: e.ca, ClientCert: e.cert, ClientKey: e.key, Certificates: dind.CertificateFiles,
	})
}

func (r *Runner) openTrace(e *entry, job *jobapi.Job) (*trace.Trace, error) {
	o := trace.Options{
		Path:  filepath.Join(r.StateDir, fmt.Sprintf("job-%d.log", job.ID)),
		Limit: e.config.OutputLimit, Sections: job.Features.TraceSections, Prefixes: job.Features.TokenMaskPrefixes,
		Masks: []string{job.Token.Reveal(), e.config.Token.Reveal()},
	}
	if r.Live != nil {
		o.Live = r.Live(job)
	}
	return trace.Open(o)
}

// head is the beginning of every job log; tools look for "Running with".
func (r *Runner) head(t *trace.Trace, e *entry) {
	t.Plain("Running with lced-runner %s (%s)", r.Version, r.Revision)
	t.Plain("  on %s %s, system ID: %s", e.config.Name, jobapi.ShortToken(e.config.Token.Reveal()), r.SystemID)
}

// ship sends the log in the background; the function that it returns ends that and waits for the end.
func (r *Runner) ship(ctx context.Context, t *trace.Trace, up *uploader, cancel func(trace.Signal)) (stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := t.Ship(ctx, up, cancel); err != nil {
			r.Logger.Error("could not read back the job log", "job", up.job.ID, "error", err)
		}
	}()
	return func() {
		end(errors.New("the job has ended"))
		<-done
	}
}

// explain adds to the job log what an error means that the user did not cause by the script.
func explain(t *trace.Trace, err error) {
	if exit, ok := errors.AsType[*executor.ExitError](err); ok && exit.OOMKilled {
		t.Warn("a process of the job ran out of memory and was killed: give the job more memory ([runners.docker] memory), or let it do less at once")
	}
	if errors.Is(err, executor.ErrCanceled) {
		t.Warn("script canceled externally (UI, API)")
	}
	if svc, ok := errors.AsType[*executor.ServiceError](err); ok {
		t.Warn("Service %s is not ready. The last lines of its log:", svc.Service)
		_, _ = io.WriteString(plainWriter{t}, string(svc.Log))
		if why := dind.Diagnose(svc.Log, dind.Exit{Code: svc.ExitCode, OOMKilled: svc.OOMKilled}); why != "" {
			t.Error("%s", why)
		}
	}
}

// plainWriter writes text into the log outside of any section.
type plainWriter struct{ t *trace.Trace }

func (w plainWriter) Write(p []byte) (int, error) {
	w.t.Plain("%s", p)
	return len(p), nil
}

// finish writes the last line, and sends what is left of the log and the final state. A job that GitLab has ended
// needs neither.
func (r *Runner) finish(jobs context.Context, e *entry, t *trace.Trace, up *uploader, err error) {
	o := outcomeOf(err, plan.Timeout(up.job))
	if o.state == jobapi.StateSuccess {
		t.Info("%s", o.line)
	} else {
		t.Error("%s", o.line)
	}
	up.final = jobapi.Update{State: o.state, ExitCode: o.exitCode}
	if o.state == jobapi.StateFailed {
		up.final.FailureReason = jobapi.MapFailureReason(o.reason, up.job.Features.FailureReasons)
	}
	if _, err := t.Close(); err != nil {
		e.log.Error("the job log could not be saved whole", "job", up.job.ID, "error", err)
	}
	if errors.Is(err, errOver) {
		return
	}
	// While the runner is being stopped the operator's patience counts, else GitLab gets the time of a long outage.
	limit := time.Hour
	if jobs.Err() != nil {
		limit = r.Config.ShutdownTimeout
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(jobs), limit, fmt.Errorf("GitLab did not take the job's ending within %v", limit))
	defer cancel()
	if err := t.Finish(ctx, up, e.config.FinalUpdateRetries); err != nil {
		e.log.Error("the job's ending could not be told to GitLab", "job", up.job.ID, "state", up.final.State, "error", err)
	}
}
