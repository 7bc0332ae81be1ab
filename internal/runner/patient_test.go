package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		longer, cancel := patient(ctx, func(context.Context) time.Duration { return time.Minute })
		defer cancel()
		end(errors.New("stopping"))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if longer.Err() != nil {
			t.Fatalf("ended before its time: %v", context.Cause(longer))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !errors.Is(context.Cause(longer), errShutdown) {
			t.Errorf("cause %v", context.Cause(longer))
		}
	})
}

// TestPatientLeavesNothing: what has ended before the context does not ask how long it may still take, which starts a timer.
func TestPatientLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		asked := 0
		_, cancel := patient(ctx, func(context.Context) time.Duration { asked++; return time.Minute })
		cancel()
		end(errors.New("stopping"))
		synctest.Wait()
		if asked > 0 {
			t.Errorf("asked %d times", asked)
		}
	})
}
