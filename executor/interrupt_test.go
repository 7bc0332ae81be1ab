package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
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

// TestStopBehindTheEnd: a script that has printed its end line ended as that says, whatever comes before its container has ended;
// one that prints it when it is told to end was interrupted.
func TestStopBehindTheEnd(t *testing.T) {
	t.Parallel()
	for _, behind := range []bool{true, false} {
		stop, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/wait"):
				fmt.Fprint(w, `{"StatusCode":0}`)
			case strings.HasSuffix(r.URL.Path, "/exec"):
				refuse(w, http.StatusConflict, "the container has ended")
			}
		})
		s := &shell{on: e.containers, id: "c", name: "c", nonce: "N"}
		a := s.newArmed(io.Discard, io.Discard)
		done := s.interruptible(t.Context(), stop, a.marks)
		if !behind {
			cancel(ErrCanceled)
			done()
		}
		fmt.Fprint(a.marks, "\x1eN+\n\x1eN-0\n")
		if behind {
			cancel(ErrCanceled)
			done()
		}
		a.clean = true
		if err := s.judge(t.Context(), stop, a, "step_script", nil); errors.Is(err, ErrCanceled) == behind {
			t.Errorf("cancelled behind the end %v: error %v", behind, err)
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
