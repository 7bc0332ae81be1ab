package runner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lced-runner/executor"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// TestOutcome is the table of endings, as seen from outside: what GitLab is told, and the last line of the job log.
func TestOutcome(t *testing.T) {
	t.Parallel()
	image := func(kind executor.ImageErrorKind) error {
		return &executor.ImageError{Image: "alpine:3", Kind: kind, Err: errors.New("says the engine")}
	}
	failed := func(reason, line string) outcome {
		return outcome{state: jobapi.StateFailed, reason: reason, line: line}
	}
	for _, test := range []struct {
		name string
		err  error
		want outcome
	}{
		{"success", nil, outcome{state: jobapi.StateSuccess, line: "Job succeeded"}},
		{"exit code", &executor.ExitError{Code: 3}, outcome{jobapi.StateFailed, "script_failure", 3, "Job failed: exit code 3"}},
		{"out of memory", &executor.ExitError{Code: 137, OOMKilled: true}, outcome{jobapi.StateFailed, "script_failure", 137, "Job failed: exit code 137"}},
		{"timeout of the job", errTimeout, failed("job_execution_timeout", "Job failed: execution took longer than 1h0m0s seconds")},
		{"timeout of the script", executor.ErrStepTimeout, failed("job_execution_timeout", "Job failed: the script took longer than its own timeout")},
		{"timeout of a part", &executor.LimitError{Part: "get_sources", Limit: time.Minute}, failed("job_execution_timeout", "Job failed: get_sources took longer than 1m0s")},
		{"canceled", executor.ErrCanceled, failed("job_canceled", "Job failed: canceled")},
		{"ended in GitLab", errOver, failed("job_canceled", "Job failed: canceled")},
		{"runner stopped", ErrInterrupted, failed("runner_interrupted", "Job failed: aborted: terminated")},
		{"runner stopped, said by a library", context.Canceled, failed("runner_interrupted", "Job failed: aborted: terminated")},
		{"no such image", image(executor.ImageMissing), failed("runner_configuration_error", "Job failed: "+image(executor.ImageMissing).Error())},
		{"registry down", image(executor.ImageUnreachable), failed("runner_external_dependency_failure", "Job failed (system failure): "+image(executor.ImageUnreachable).Error())},
		{"pull failed", image(executor.ImageFailed), failed("image_pull_failure", "Job failed (system failure): "+image(executor.ImageFailed).Error())},
		{"plan refused", &plan.ConfigError{Err: errors.New("no image")}, failed("runner_configuration_error", "Job failed: no image")},
		{"engine refused", &executor.ConfigError{Err: errors.New("bad device")}, failed("runner_configuration_error", "Job failed: bad device")},
		{"service", &executor.ServiceError{Service: "docker:dind", Exited: true, ExitCode: 1}, failed("runner_system_failure", "Job failed (system failure): service docker:dind ended with exit code 1 before it was ready")},
		{"anything else", errors.New("disk full"), failed("runner_system_failure", "Job failed (system failure): disk full")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, outcomeOf(test.err, time.Hour), cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
			if test.err == nil {
				return
			}
			wrapped := outcomeOf(fmt.Errorf("start the job: %w", test.err), time.Hour)
			if wrapped.reason != test.want.reason || wrapped.exitCode != test.want.exitCode {
				t.Errorf("wrapped: %+v", wrapped)
			}
		})
	}
}

// TestOutcomeOfTwo checks which of two reasons counts where both are known.
func TestOutcomeOfTwo(t *testing.T) {
	t.Parallel()
	exit := &executor.ExitError{Code: 143}
	for _, test := range []struct {
		first, second error
		want          string
	}{
		{exit, errTimeout, "job_execution_timeout"}, // the script died of the timeout
		{exit, executor.ErrCanceled, "job_canceled"},
		{executor.ErrCanceled, errTimeout, "job_execution_timeout"},
		{context.Canceled, executor.ErrCanceled, "job_canceled"},
		{&executor.ConfigError{Err: errors.New("x")}, exit, "script_failure"},
	} {
		if got := outcomeOf(errors.Join(test.first, test.second), time.Hour); got.reason != test.want {
			t.Errorf("%v and %v: %s, want %s", test.first, test.second, got.reason, test.want)
		}
	}
}
