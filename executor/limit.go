package executor

import (
	"context"
	"fmt"
	"time"
)

// LimitError says that a part of a job took longer than the configuration allows it.
type LimitError struct {
	Part  string // of the job, with the key that limits it
	Limit time.Duration
}

func (e *LimitError) Error() string { return fmt.Sprintf("%s took longer than %v", e.Part, e.Limit) }

// limited bounds a part of a job; a limit of 0 is none.
func limited(ctx context.Context, limit time.Duration, part string) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		ctx, cancel := context.WithCancelCause(ctx)
		return ctx, func() { cancel(nil) }
	}
	return context.WithTimeoutCause(ctx, limit, &LimitError{Part: part, Limit: limit})
}

// tellTimeout says in the section of a stage that its time was over, in gitlab-runner's words. ctx is the one that ended it.
func tellTimeout(ctx context.Context, section Section, stage string) {
	if ctx.Err() == context.DeadlineExceeded {
		warn(section, "%s could not run to completion because the timeout was exceeded. For more control over job and script timeouts see: "+
			"https://docs.gitlab.com/ci/runners/configure_runners/#set-script-and-after_script-timeouts", stage)
	}
}
