package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// EngineError says that the engine went away, or stopped answering, under a job: neither the job nor its images are to
// blame.
type EngineError struct {
	Host string
	Err  error
}

func (e *EngineError) Error() string {
	return fmt.Sprintf("the docker engine at %s went away while it was needed (%v): it was restarted, or it hangs or crashed; its own log says more (journalctl -u docker)", e.Host, e.Err)
}

func (e *EngineError) Unwrap() error { return e.Err }

// away reports whether an error says that nobody answered, or no longer did in the middle of an answer, as while an engine
// restarts. An error that the engine itself gave is not of this kind.
func away(err error) bool {
	if err == nil {
		return false
	}
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, syscall.ENOENT, errSilent, errSlow, errHung} {
		if errors.Is(err, cut) {
			return true
		}
	}
	return client.IsErrConnectionFailed(err)
}

// blame makes an EngineError of an error for which the absence of the engine is to blame, and leaves any other as it is.
func (e *Engine) blame(err error) error {
	if _, known := errors.AsType[*EngineError](err); known || !away(err) {
		return err
	}
	return &EngineError{Host: e.host, Err: err}
}

// Limits of patience with an engine. A ping takes no lock of the daemon and touches no disk, so that even a board that swaps
// answers one within seconds; three minutes leave room for a restart with many containers on slow flash.
const (
	watchInterval = 15 * time.Second
	hungAfter     = 3 * time.Minute
	returnAfter   = 5 * time.Minute // longest wait for an engine that is away while a job starts, or that comes and goes
)

var errHung = errors.New("it did not answer for 3 minutes")

// watch ends the context that it returns when the engine has not answered for hungAfter: a stream of output from an engine
// that hangs never ends by itself, and would hold the job's slot until the job's timeout.
func (e *Engine) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		answered := time.Now()
		for pause(ctx, e.patience.watch) == nil {
			if e.Ping(ctx) == nil {
				answered = time.Now()
			} else if time.Since(answered) >= e.patience.hung {
				cancel(&EngineError{Host: e.host, Err: errHung})
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// await waits until the engine answers again, for returnAfter at most.
func (e *Engine) await(ctx context.Context) error {
	begun := time.Now()
	for {
		err := e.Ping(ctx)
		if err == nil || time.Since(begun) >= e.patience.back {
			return err
		}
		if err := pause(ctx, removePause); err != nil {
			return err
		}
	}
}

// patiently does something that may be done again. It is, when the engine is back, if that goes away meanwhile.
func patiently[T any](ctx context.Context, e *Engine, do func() (T, error)) (T, error) {
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		made, err := do()
		if !away(err) || !e.patience.lasts(attempt, begun) || pause(ctx, removePause) != nil || e.await(ctx) != nil {
			return made, e.blame(err)
		}
	}
}

// again is patiently for what has no result.
func again(ctx context.Context, e *Engine, do func(context.Context) error) error {
	_, err := patiently(ctx, e, func() (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// killed reports whether somebody told the engine to end a container, as an engine does by itself when it stops. Nothing of
// the kind is noted where a process of the script or the kernel ended it.
func killed(ctx context.Context, docker *client.Client, id string) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, pingTimeout, errSilent)
	defer cancel()
	now, err := onEngine(ctx, docker, time.Now())
	if err != nil {
		return false
	}
	until := fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond())
	news := docker.Events(ctx, client.EventsListOptions{
		Since: "0", Until: until, Filters: client.Filters{}.Add("container", id).Add("event", string(events.ActionKill)),
	})
	select {
	case m := <-news.Messages:
		return m.Action == events.ActionKill
	case <-news.Err: // the end of what is noted
		return false
	}
}

// pause waits, or returns the cause of ctx's end.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// patience is how long an engine may be silent; tests have less of it.
type patience struct {
	ping        time.Duration // until it says that it is there
	watch, hung time.Duration
	back        time.Duration // until it is back
	start       time.Duration // of a script behind its delivery
	download    time.Duration // of a pull: without a byte from the registry
	unpack      time.Duration // of a pull: while the engine works on what it has
}

// lasts reports whether something is begun once more that an engine has cut short by going away, so often since begun. One that
// restarts again and again, as while its package is upgraded or its configuration is tried out, costs no job that lives through it.
func (p patience) lasts(attempt int, begun time.Time) bool {
	return attempt < prepareAttempts || time.Since(begun) < p.back
}

func usualPatience() patience {
	return patience{ping: pingTimeout, watch: watchInterval, hung: hungAfter, back: returnAfter, start: startPatience, download: pullStalled, unpack: unpackStalled}
}
