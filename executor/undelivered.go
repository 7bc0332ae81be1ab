package executor

import (
	"context"
	"time"
)

// startPatience is how long a shell may take to print the start line of a script that it has: it is its first act, so this
// only has to be longer than the worst stutter of a board.
const startPatience = 30 * time.Second

// deliveries bounds how often a script is delivered that gets lost with its engine.
const deliveries = 3

// expectStart ends a container whose script does not begin although its output is read. Where an engine restarts under its
// containers, the stdin of a shell stays open, and it waits for ever for a script that the engine had taken and not passed
// on. Whatever came of a script by then, its start line will tell.
func expectStart(ctx context.Context, s *shell, a *armed) (stop func()) {
	if a.marks.started || s.startIn == 0 {
		return func() {}
	}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		timer := time.NewTimer(s.startIn)
		defer timer.Stop()
		select {
		case <-a.marks.seen:
		case <-done:
		case <-ctx.Done():
		case <-timer.C:
			a.stuck.Store(true)
			_ = s.on.kill(ctx, s.id) // it may end by itself
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
