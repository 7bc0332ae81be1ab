package executor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestInterruptAfterTheEnd: a script whose job has ended is told to end before it is killed, and what it says then is read. That of a
// job that is left to another process is left alone, unless that is to end after all.
func TestInterruptAfterTheEnd(t *testing.T) {
	t.Parallel()
	errTimeout := errors.New("the job took longer than its timeout")
	for _, cause := range []error{errTimeout, ErrLeft} {
		c, section := leftContainer{running: true, again: true, out: []string{"\x1eN+\n", "lock released\n"}}, &paper{}
		j := resumed(c.engine(t), State{Ready: true, Build: "build", Begun: true, Started: true}, false, section)
		j.state.Containers = []string{"build"}
		ctx, end := context.WithCancelCause(t.Context())
		end(cause)
		if err := j.Run(ctx, ctx); !errors.Is(err, cause) {
			t.Errorf("error %v, want %v", err, cause)
		}
		want, said := []string{"POST /containers/build/exec", "POST /containers/build/kill"}, "lock released\n"
		if cause == ErrLeft {
			want, said = nil, ""
		}
		if got := c.done(); !slices.Equal(got, want) || section.String() != said {
			t.Errorf("%v: calls %q, want %q; output %q, want %q", cause, got, want, section.String(), said)
		}
		if cause == ErrLeft {
			Interrupt(ctx, j)
			if got := c.done(); !slices.Equal(got, []string{"POST /containers/build/exec"}) {
				t.Errorf("a job that was left is ended by %q", got)
			}
		}
	}
}

// TestGrace is how long the output of a script outlasts its job, by why that ended.
func TestGrace(t *testing.T) {
	t.Parallel()
	timeout := errors.New("the job took longer than its timeout")
	stopped := errors.New("the runner is stopped")
	given := grace(func(cause error) time.Duration {
		if cause == stopped {
			return time.Second
		}
		return TermGrace
	})
	for _, tt := range []struct {
		grace grace
		cause error
		want  time.Duration
	}{
		{nil, timeout, TermGrace + killTime}, {given, timeout, TermGrace + killTime}, {given, stopped, time.Second + killTime},
		{nil, ErrLeft, 0}, {nil, context.Canceled, 0}, {nil, &EngineError{Err: errHung}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancelCause(t.Context())
			longer, begun := tt.grace.outlast(ctx), time.Now()
			end(tt.cause)
			<-longer.Done()
			if took := time.Since(begun); took != tt.want || context.Cause(longer) != tt.cause {
				t.Errorf("%v: ended after %v with %v, want %v", tt.cause, took, context.Cause(longer), tt.want)
			}
		})
	}
}
