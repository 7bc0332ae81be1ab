package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// Causes for which a job's context ends.
var (
	errTimeout = errors.New("the job took longer than its timeout")
	errOver    = errors.New("the job has ended in GitLab")
	// ErrInterrupted is the cause with which the context of all jobs is to be cancelled when the runner is stopped.
	ErrInterrupted = errors.New("aborted: terminated")
)

// outcome is how a job ended, in GitLab's words.
type outcome struct {
	state    jobapi.State
	reason   string // failure_reason before it is mapped to what the server knows
	exitCode int
	line     string // last line of the job log
}

// outcomeOf is the one table of endings (job-api contract 5.4). The first match wins.
func outcomeOf(err error, timeout time.Duration) outcome {
	fail := func(reason, format string, args ...any) outcome {
		return outcome{state: jobapi.StateFailed, reason: reason, line: "Job failed" + fmt.Sprintf(format, args...)}
	}
	if err == nil {
		return outcome{state: jobapi.StateSuccess, line: "Job succeeded"}
	}
	switch {
	case errors.Is(err, errTimeout):
		return fail(jobapi.ReasonJobExecutionTimeout, ": execution took longer than %v seconds", timeout) // gitlab-runner's words, odd as they are
	case errors.Is(err, executor.ErrStepTimeout):
		return fail(jobapi.ReasonJobExecutionTimeout, ": %v", err)
	case errors.Is(err, executor.ErrCanceled), errors.Is(err, errOver):
		return fail(jobapi.ReasonJobCanceled, ": canceled")
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return fail(jobapi.ReasonRunnerInterrupted, ": %v", ErrInterrupted)
	}
	if _, ok := errors.AsType[*executor.LimitError](err); ok {
		return fail(jobapi.ReasonJobExecutionTimeout, ": %v", err)
	}
	if exit, ok := errors.AsType[*executor.ExitError](err); ok {
		o := fail(jobapi.ReasonScriptFailure, ": exit code %d", exit.Code)
		o.exitCode = exit.Code
		return o
	}
	if img, ok := errors.AsType[*executor.ImageError](err); ok {
		switch img.Kind {
		case executor.ImageMissing:
			return fail(jobapi.ReasonConfigurationError, ": %v", err)
		case executor.ImageUnreachable:
			return fail(jobapi.ReasonExternalDependencyFailure, " (system failure): %v", err)
		}
		return fail(jobapi.ReasonImagePullFailure, " (system failure): %v", err)
	}
	_, planned := errors.AsType[*plan.ConfigError](err)
	_, created := errors.AsType[*executor.ConfigError](err)
	if planned || created {
		return fail(jobapi.ReasonConfigurationError, ": %v", err)
	}
	return fail(jobapi.ReasonRunnerSystemFailure, " (system failure): %v", err)
}
