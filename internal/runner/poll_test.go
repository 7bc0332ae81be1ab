package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

func pollEntry(interval time.Duration) *entry {
	c, global := config.DefaultRunner(), config.Default()
	global.CheckInterval = interval
	return &entry{config: &c, global: global, log: slog.New(slog.DiscardHandler), status: quiet(), replaced: make(chan struct{})}
}

var (
	errDown    = errors.New("connection refused")
	errRefused = fmt.Errorf("ask for a job: %w", jobapi.ErrTokenRefused)
)

// TestBackOff checks the pauses while GitLab is out of reach: doubled each time, a part of it by chance so that the boards of
// a site do not come back all at once, and a minute at most.
func TestBackOff(t *testing.T) {
	t.Parallel()
	e := pollEntry(3 * time.Second)
	for range 50 { // the dice
		var h health
		for i, most := range []time.Duration{3, 6, 12, 24, 48, 60, 60, 60} {
			most *= time.Second
			if got := h.pause(errDown, e); got < most/2 || got > most {
				t.Fatalf("pause %d is %v, want %v to %v", i+1, got, most/2, most)
			}
		}
		for range 1000 {
			if got := h.pause(errDown, e); got < 30*time.Second || got > time.Minute {
				t.Fatalf("a long outage: %v", got)
			}
		}
		if got := h.pause(nil, e); got != 3*time.Second {
			t.Fatalf("after a success: %v, want the interval", got)
		}
		if got := h.pause(errDown, e); got > 3*time.Second {
			t.Fatalf("the first failure after a success: %v, want to begin anew", got)
		}
	}
	var h health
	for range 5 {
		if got := h.pause(errDown, pollEntry(time.Hour)); got > time.Minute {
			t.Errorf("a long interval: %v, want a minute at most", got)
		}
	}
}

func TestStrictCheckInterval(t *testing.T) {
	t.Parallel()
	e := pollEntry(7 * time.Second)
	if got := e.afterJob(); got != 0 {
		t.Errorf("pause of %v after a job, want none", got)
	}
	e.config.StrictCheckInterval = true
	if got := e.afterJob(); got != 7*time.Second {
		t.Errorf("pause of %v after a job, want the interval", got)
	}
}

func TestUnhealthy(t *testing.T) {
	t.Parallel()
	const interval = 3 * time.Second
	e := pollEntry(interval)
	e.config.UnhealthyLimit, e.config.UnhealthyInterval = 3, time.Hour
	for _, test := range []struct {
		name  string
		calls []error
		want  time.Duration // after the last one
	}{
		{"below the limit", []error{errRefused, errRefused}, interval},
		{"at the limit", []error{errRefused, errRefused, errRefused}, time.Hour},
		{"the count begins anew after the pause", []error{errRefused, errRefused, errRefused, errRefused}, interval},
		{"a success between", []error{errRefused, errRefused, nil, errRefused}, interval},
		{"another failure between", []error{errRefused, errRefused, errDown, errRefused}, interval},
		{"twice in a row", []error{errRefused, errRefused, errRefused, errRefused, errRefused, errRefused}, time.Hour},
	} {
		var h health
		var got time.Duration
		for _, err := range test.calls {
			got = h.pause(err, e)
		}
		if got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	// A refusal is an answer: the outage before it is over.
	var h health
	for _, err := range []error{errDown, errDown, errDown, errDown, errRefused} {
		h.pause(err, e)
	}
	if got := h.pause(errDown, e); got > interval {
		t.Errorf("the first failure after an answer: %v, want to begin anew", got)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slept := func(ctx context.Context, e *entry) time.Duration {
			begun := time.Now()
			e.sleep(ctx, time.Minute)
			return time.Since(begun)
		}
		if d := slept(t.Context(), pollEntry(0)); d != time.Minute {
			t.Errorf("slept %v", d)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(errors.New("stopped")) })
		if d := slept(ctx, pollEntry(0)); d != 10*time.Second {
			t.Errorf("slept %v although the runner stops", d)
		}
		e := pollEntry(0)
		time.AfterFunc(10*time.Second, func() { close(e.replaced) })
		if d := slept(t.Context(), e); d != 10*time.Second {
			t.Errorf("slept %v although there is a new configuration", d)
		}
	})
}
