package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/journal"
	"lced-runner/internal/plan"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// traceOptions are those of the job's log, new or resumed.
func (l *account) traceOptions() trace.Options {
	record := &l.record
	return trace.Options{
		Path: filepath.Join(l.StateDir, filepath.Base(record.Spool)), Limit: record.OutputLimit, Sections: record.Sections,
		Masks: l.masks(), Prefixes: l.job.Features.TokenMaskPrefixes,
		OnMask: func(value string) { l.change(journal.Change{Masks: []string{value}}) },
	}
}

// head is the beginning of every job log; tools look for "Running with".
func (l *account) head() {
	l.trace.Plain("Running with lced-runner %s (%s)", l.Version, l.Revision)
	l.trace.Plain("  on %s %s, system ID: %s", l.entry.config.Name, jobapi.ShortToken(l.entry.config.Token.Reveal()), l.SystemID)
	flags, _ := plan.ResolveFlags(l.job, l.entry.config)
	if changed := flags.Changed(); len(changed) > 0 {
		l.trace.Plain("  feature flags: %s", strings.Join(changed, ", "))
	}
	if policy := l.job.Policy; policy.Job {
		l.trace.Info("Job triggered by policy %q. Variables that the policy defines win over those of the same name that users have defined.", policy.Name)
	}
}

// firstWord is how long a job waits for GitLab to hear that it runs.
const firstWord = 10 * time.Second

// ship tells GitLab that the job runs and sends the log in the background. The function that it returns ends that and
// waits for the end.
func (l *account) ship(ctx context.Context, cancel func(trace.Signal)) (stop func()) {
	if ctx.Err() != nil {
		return func() {}
	}
	// At once, before any work: a job that is over by now is not begun. A GitLab that hangs does not keep the others waiting.
	bound, done := context.WithTimeoutCause(ctx, firstWord, errors.New("GitLab did not answer in time"))
	reply, err := l.up.KeepAlive(bound, trace.Sum{})
	done()
	switch {
	case err != nil:
		l.log.Warn("GitLab was not told that the job runs", "error", err)
	case reply.Outcome == trace.Over:
		cancel(trace.Over)
	case reply.Canceling:
		cancel(trace.Canceling)
	}
	ctx, end := context.WithCancelCause(ctx)
	shipped := make(chan struct{})
	go func() {
		defer close(shipped)
		if err := l.trace.Ship(ctx, l.up, cancel); err != nil {
			l.log.Error("could not read back the job log", "error", err)
		}
	}()
	return func() {
		end(errors.New("the job has ended"))
		<-shipped
	}
}

// explain adds to the job log what an error means that the user did not cause by the script.
func (l *account) explain(err error) {
	t, rootless := l.trace, l.input.Facts.Rootless
	if exit, ok := errors.AsType[*executor.ExitError](err); ok && exit.OOMKilled {
		t.Warn("a process of the job ran out of memory and was killed: give the job more memory ([runners.docker] memory), or let it do less at once")
	}
	if errors.Is(err, executor.ErrCanceled) {
		t.Warn("script canceled externally (UI, API)")
	}
	if svc, ok := errors.AsType[*executor.ServiceError](err); ok {
		explainService(t, svc, rootless, "is not ready")
	}
	if _, ok := errors.AsType[*executor.ExitError](err); !ok {
		return
	}
	for _, svc := range l.fallen {
		switch {
		case svc.Removed:
			t.Error("%v", svc)
		case svc.Exited:
			explainService(t, svc, rootless, fmt.Sprintf("ended with exit code %d while the job ran", svc.ExitCode))
		default:
			explainService(t, svc, rootless, "lost a process for want of memory while the job ran")
		}
	}
	if why := dind.Hint(t.Tail(hintTail)); why != "" && l.fallen == nil {
		t.Warn("%s", why)
	}
}

// hintTail is how much of the end of a log is searched for what docker's command said, in bytes: what comes after it is the
// output of after_script and of uploads.
const hintTail = 64 << 10

// explainService shows what a service said last, and what that means.
func explainService(t *trace.Trace, svc *executor.ServiceError, rootless bool, what string) {
	t.Warn("Service %s %s. The last lines of its log:", svc.Service, what)
	t.Plain("%s", strings.TrimRight(string(svc.Log), "\n"))
	if why := dind.Diagnose(svc.Log, dind.Exit{Code: svc.ExitCode, OOMKilled: svc.OOMKilled, Rootless: rootless}); why != "" {
		t.Error("%s", why)
	}
}

// tellImages tells the operator which images a job uses, where it or the configuration asks for that.
func (l *life) tellImages(p *executor.Plan) {
	if flags, _ := plan.ResolveFlags(l.job, l.entry.config); !flags["FF_LOG_IMAGES_CONFIGURED_FOR_JOB"] {
		return
	}
	var services []string
	for _, s := range p.Services {
		services = append(services, s.Image.Ref)
	}
	l.log.Info("images of the job", "image", p.Build.Image.Ref, "services", services)
}
