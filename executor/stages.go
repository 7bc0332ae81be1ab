package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// stages is a job behind its start-up: the user's steps, after_script and the final tasks, each unless another process has
// ended it.
type stages struct{ *Job }

// steps runs the user's steps; the first failure ends them.
func (j stages) steps(ctx, stop context.Context) {
	after := len(j.plan.Steps)
	for n := j.state.Next; n < after; n++ {
		err := j.step(ctx, stop, n)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			j.end(after, err, true)
			return
		}
		j.end(n+1, nil, false)
	}
}

func (j stages) step(ctx, stop context.Context, n int) error {
	s := &j.plan.Steps[n]
	section := j.open(n, s)
	defer section.Close()
	if stop.Err() != nil && !j.adopting(n) {
		return context.Cause(stop)
	}
	if j.breakdown != "" {
		section.Plain("%s", j.breakdown)
		j.breakdown = ""
	}
	for _, remark := range j.remarks {
		warn(section, "%s", remark)
	}
	j.remarks = nil
	var hold holding
	if j.Hold != nil {
		hold = func(stop context.Context, code int) {
			if n == len(j.plan.Steps)-1 || code != 0 {
				j.Hold(stop, section)
			}
		}
	}
	j.begin(n, j.shell.before())
	if limit := j.plan.StepTimeout; limit > 0 {
		var cancel context.CancelFunc
		stop, cancel = context.WithTimeoutCause(stop, limit-j.state.Steps.Ago(), ErrStepTimeout)
		defer cancel()
	}
	script := wrap(j.state.Nonce, "running", s.StatusVariable, s.Script, hold != nil)
	out := streams(section)
	for attempt := 1; ; attempt++ {
		err := j.script(ctx, stop, n, script, out, hold)
		if errors.Is(err, context.Cause(stop)) {
			tellTimeout(stop, section, s.Section)
		}
		tellFallen(ctx, j.engine.containers, err, j.plan.Services, section)
		if !errors.Is(err, errNothingRan) || attempt >= j.plan.StepAttempts {
			return err
		}
		warn(section, "%v: trying again (%d of %d)", err, attempt+1, j.plan.StepAttempts)
	}
}

// afterScript runs after the steps in every case, in a shell of its own and with a limit of its own.
func (j stages) afterScript(ctx context.Context) {
	n, s := len(j.plan.Steps), j.plan.After
	if s == nil || ctx.Err() != nil || j.state.Next > n {
		return
	}
	section := j.open(n, s)
	defer section.Close()
	j.begin(n, j.shell.before())
	late := &LimitError{Part: s.Section, Limit: j.plan.AfterTimeout}
	stop, cancel := context.WithTimeoutCause(ctx, j.plan.AfterTimeout-j.state.Since.Ago(), fmt.Errorf("%w (RUNNER_AFTER_SCRIPT_TIMEOUT)", late))
	defer cancel()
	script := wrap(j.state.Nonce, status(j.state.Result.err()), s.StatusVariable, s.Script, false)
	err := j.script(ctx, stop, n, script, streams(section), nil)
	if errors.Is(err, context.Cause(stop)) {
		tellTimeout(stop, section, s.Section)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil && !j.plan.AfterMatters {
		warn(section, "after_script failed, but job will continue unaffected: %v", err)
		err = nil
	}
	j.end(n+1, err, true)
}

// status is what CI_JOB_STATUS says in after_script.
func status(err error) string {
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, ErrCanceled):
		return "canceled"
	case errors.Is(err, ErrStepTimeout):
		return "timedout"
	}
	return "failed"
}

// finally runs the tasks that follow the steps.
func (j stages) finally(ctx context.Context) {
	first := len(j.plan.Steps) + 1
	for n := max(first, j.state.Next); n-first < len(j.plan.Finally) && ctx.Err() == nil; n++ {
		t, ok := j.plan.Finally[n-first], !j.state.Failed
		if t.When == OnSuccess && !ok || t.When == OnFailure && ok {
			continue
		}
		j.begin(n, [2]int64{})
		err := j.task(ctx, t, j.adopting(n))
		if ctx.Err() != nil {
			return
		}
		if t.Optional {
			err = nil
		}
		j.end(n+1, err, false)
	}
}

// cleanUpTimeout bounds the final task that cleans of a job that is over, and with it the wait for an engine that is away.
const cleanUpTimeout = 20 * time.Second

// cleanUp runs the final task that cleans, where the job did not get that far: the next job would find the file variables of one that
// was cancelled, timed out or failed to start, and so would who takes the disk of a board that lost its power. Its failure is as little
// the job's as ever.
func (j stages) cleanUp(ctx context.Context) {
	i := slices.IndexFunc(j.plan.Finally, func(t Task) bool { return t.Cleans })
	if i < 0 || j.state.Next > len(j.plan.Steps)+1+i || away(context.Cause(ctx)) {
		return
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), cleanUpTimeout, errors.New("cleaning up after the job took too long"))
	defer cancel()
	if j.state.Helper != "" {
		_ = j.engine.containers.start(ctx, j.state.Helper, j.plan.Helper.Name) // its engine, or its machine, may have ended it
	}
	_ = j.task(ctx, j.plan.Finally[i], false)
}

// open opens the section of a step, or goes on with it where another process had it open.
func (j stages) open(n int, s *Step) Section {
	if j.adopting(n) {
		if section := j.resumed.Continue(s.Section); section != nil {
			return section
		}
	}
	return j.log(s.Section, s.Title)
}

func streams(s Section) [2]io.Writer { return [2]io.Writer{s.Stream(1), s.Stream(2)} }

// script runs a stage's script. One that another process has begun is waited for; only if nothing of it ran does it begin.
func (j stages) script(ctx, stop context.Context, n int, script string, out [2]io.Writer, hold holding) error {
	stage := "after_script"
	if n < len(j.plan.Steps) {
		stage = j.plan.Steps[n].Section
	}
	if j.adopting(n) {
		j.resumed.State.Begun = false
		err := j.shell.adopt(ctx, stop, stage, out, &j.state)
		if !errors.Is(err, errNothingRan) {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		err := j.shell.run(ctx, stop, stage, script, out, hold)
		if !errors.Is(err, errUndelivered) || attempt == deliveries {
			return err
		}
	}
}
