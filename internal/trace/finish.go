package trace

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// longestPause bounds the time between two tries to deliver the end of a job.
const longestPause = time.Minute

// unknownFor is how long the server may say that it does not know the job until that is believed. GitLab itself refuses the
// token of a job that it has deleted; a 404 is more often a proxy's, while the server behind it is upgraded.
const unknownFor = 10 * time.Minute

var (
	errRefused = errors.New("the server refused it for now") // may be better next time
	errUnknown = errors.New("the server does not know the job")
)

// Finish delivers the rest of the log and the job's final state; Close must have been called. A job that is over on the server,
// or that it does not know for ten minutes, counts as delivered. A try that fails is repeated, tries at least 1 in total, after
// pauses that double from 1 s to 60 s; in the meantime nothing is lost, and Finish may be called again. It must not run
// before the server has accepted the job as running: a server with two-phase commit would refuse the final state.
func (t *Trace) Finish(ctx context.Context, up Uploader, tries int) error {
	u := upload{trace: t, up: up, interval: firstInterval}
	pause := time.Second
	var unknown time.Time // since when the server says so
	for n := 1; ; n++ {
		had := t.sent
		err := u.deliver(ctx)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errUnknown):
			unknown = time.Time{}
		case unknown.IsZero():
			unknown = time.Now()
		case time.Since(unknown) >= unknownFor:
			return nil
		}
		if t.sent > had { // the server was there for a while
			pause = time.Second
		}
		if n >= tries {
			return fmt.Errorf("deliver end of job log and final state (try %d): %w", n, err)
		}
		// Jitter, or a server that comes back would meet all runners at once.
		if ended := sleep(ctx, pause/2+rand.N(pause/2)); ended != nil {
			return fmt.Errorf("deliver end of job log and final state: %w; last try: %w", ended, err)
		}
		pause = min(2*pause, longestPause)
	}
}

// deliver is one try: the rest of the log, then the final state, until the server has both.
func (u *upload) deliver(ctx context.Context) error {
	for {
		if err := u.flush(ctx); err != nil {
			return err
		}
		reply, err := u.up.Final(ctx, u.sum())
		if err != nil {
			return fmt.Errorf("send final state: %w", err)
		}
		u.note(reply, 0)
		switch reply.Outcome {
		case Stored, Over:
			return nil
		case NotFound:
			return fmt.Errorf("send final state: %w", errUnknown)
		case Pending, Resend:
			// The server sets the pace, and ends it by itself after about five minutes.
			if err := sleep(ctx, u.interval); err != nil {
				return err
			}
		default:
			return fmt.Errorf("send final state: %w", u.refused(ctx))
		}
	}
}

// flush sends patches back to back until the server has the whole log, or does not want it any more.
func (u *upload) flush(ctx context.Context) error {
	for {
		chunk, err := u.unsent()
		if err != nil || len(chunk) == 0 {
			return err
		}
		offset := u.trace.sent
		reply, err := u.up.Patch(ctx, offset, chunk)
		if err != nil {
			return fmt.Errorf("send job log at offset %d: %w", offset, err)
		}
		u.note(reply, len(chunk))
		switch {
		case reply.Outcome == Stored:
		case reply.Outcome == Over:
			return nil
		case reply.Outcome == NotFound:
			return fmt.Errorf("send job log at offset %d: %w", offset, errUnknown)
		case reply.Outcome == Realign && u.trace.sent != offset, reply.Outcome == Resend:
			if err := sleep(ctx, u.interval); err != nil {
				return err
			}
		default: // so is a Realign to the offset that it just refused
			return fmt.Errorf("send job log at offset %d: %w", offset, u.refused(ctx))
		}
	}
}

// refused waits for the interval that the server asks for.
func (u *upload) refused(ctx context.Context) error {
	if err := sleep(ctx, u.interval); err != nil {
		return err
	}
	return errRefused
}

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
