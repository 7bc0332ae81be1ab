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
