package executor

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/moby/moby/client"
)

// TermGrace is how long the processes of an interrupted script have after SIGTERM (docker-executor contract 1.5): terraform, for
// one, gives back its lock.
const TermGrace = 10 * time.Second

// killTime is how much longer what a script that is killed after its grace has written is waited for.
const killTime = 5 * time.Second

// grace is how long it is for the cause of an interruption; nil = always TermGrace.
type grace func(cause error) time.Duration

func (g grace) after(cause error) time.Duration {
	if g == nil {
		return TermGrace
	}
	return g(cause)
}

// outlast is a context for a script and its output that ends with the cause of ctx, but only when the script has had its grace: at
// once where it gets none, since the job is left to another process, its engine is away, or nothing is to be done any more.
func (g grace) outlast(ctx context.Context) context.Context {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if left(ctx) || away(cause) || errors.Is(cause, context.Canceled) {
			cancel(cause)
			return
		}
		time.AfterFunc(g.after(cause)+killTime, func() { cancel(cause) })
	})
	return longer
}

// Interrupt tells the processes of a script that Run has left to end, and gives them their grace. The end of ctx is why.
func Interrupt(ctx context.Context, j *Job) {
	if j.shell == nil || !j.state.Begun || j.state.Next > len(j.plan.Steps) {
		return
	}
	bound, cancel := steady(ctx)
	defer cancel()
	j.shell.interrupt(bound, j.shell.grace.after(context.Cause(ctx)))
}

// interrupt sends SIGTERM to every process of the container but its shell, which then ends by itself with the script's
// exit code, and kills the container after the grace. kill -1 spares the sender and PID 1.
func (s *shell) interrupt(ctx context.Context, grace time.Duration) {
	inTime, cancel := context.WithTimeoutCause(ctx, grace, errors.New("the script's processes did not end after SIGTERM"))
	defer cancel()
	if s.nativeStop {
		// The engine kills it after the grace.
		seconds := int(math.Ceil(grace.Seconds()))
		ctx, cancel := steady(ctx)
		defer cancel()
		_, _ = s.on.docker.ContainerStop(ctx, s.id, client.ContainerStopOptions{Timeout: &seconds})
		return
	}
	// A container that has ended meanwhile answers 409, one without sh fails: the kill below covers both.
	_, _ = s.on.exec(inTime, s.id, []string{"sh", "-c", "kill -TERM -1"}, nil, io.Discard, io.Discard)
	if _, err := s.exitCode(inTime); err != nil && !left(ctx) {
		ctx, cancel := steady(ctx)
		defer cancel()
		_ = s.on.kill(ctx, s.id)
	}
}
