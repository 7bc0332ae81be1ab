package helper

import (
	"context"
	"fmt"
	"time"
)

// pauses are the first and the longest wait between two attempts; each is twice the one before, as with gitlab-runner.
func (r *Request) pauses() (first, longest time.Duration) {
	if r.QuickRetries {
		return time.Second, 5 * time.Second
	}
	return 5 * time.Second, 5 * time.Minute
}

// attempts calls try until it succeeds, with the number of the attempt from 1 to most; failed tells the user what did not.
func (s *stage) attempts(ctx context.Context, most int, failed string, try func(n int) error) error {
	pause, longest := s.pauses()
	for n := 1; ; n++ {
		err := try(n)
		if err == nil || n >= most || ctx.Err() != nil {
			return err
		}
		warning(s.out, "%s: %v. Attempt %d of %d starts in %v...", failed, err, n+1, most, pause)
		if err := s.pause(ctx, pause); err != nil {
			return fmt.Errorf("wait for the next attempt: %w", err)
		}
		pause = min(2*pause, longest)
	}
}

// sleep waits for d, or for the end of ctx, whose cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
