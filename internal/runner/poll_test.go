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

func pollEntry() *entry {
	c := config.DefaultRunner()
	return &entry{config: &c, log: slog.New(slog.DiscardHandler)}
}

var (
	errDown    = errors.New("connection refused")
	errRefused = fmt.Errorf("ask for a job: %w", jobapi.ErrTokenRefused)
)

// TestBackOff checks the pauses while GitLab is out of reach: doubled each time, a part of it by chance so that the boards of
// a site do not come back all at once, and a minute at most.
func TestBackOff(t *testing.T) {
	t.Parallel()
	e := pollEntry()
	for range 50 { // the dice
		var h health
		for i, most := range []time.Duration{3, 6, 12, 24, 48, 60, 60, 60} {
			most *= time.Second
			if got := h.pause(errDown, e, 3*time.Second); got < most/2 || got > most {
				t.Fatalf("pause %d is %v, want %v to %v", i+1, got, most/2, most)
			}
		}
		for range 1000 {
			if got := h.pause(errDown, e, 3*time.Second); got < 30*time.Second || got > time.Minute {
				t.Fatalf("a long outage: %v", got)
			}
		}
		if got := h.pause(nil, e, 3*time.Second); got != 3*time.Second {
			t.Fatalf("after a success: %v, want the interval", got)
		}
		if got := h.pause(errDown, e, 3*time.Second); got > 3*time.Second {
			t.Fatalf("the first failure after a success: %v, want to begin anew", got)
		}
	}
	var h health
	for range 5 {
		if got := h.pause(errDown, e, time.Hour); got > time.Minute {
			t.Errorf("a long interval: %v, want a minute at most", got)
		}
	}
}

func TestUnhealthy(t *testing.T) {
	t.Parallel()
	e := pollEntry()
	e.config.UnhealthyLimit, e.config.UnhealthyInterval = 3, time.Hour
	const interval = 3 * time.Second
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
			got = h.pause(err, e, interval)
		}
		if got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	// A refusal is an answer: the outage before it is over.
	var h health
	for _, err := range []error{errDown, errDown, errDown, errDown, errRefused} {
		h.pause(err, e, interval)
	}
	if got := h.pause(errDown, e, interval); got > interval {
		t.Errorf("the first failure after an answer: %v, want to begin anew", got)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if !sleep(t.Context(), time.Minute) || time.Since(begun) != time.Minute {
			t.Errorf("slept %v", time.Since(begun))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(errors.New("stopped")) })
		begun = time.Now()
		if sleep(ctx, time.Minute) || time.Since(begun) != 10*time.Second {
			t.Errorf("slept %v although the runner stops", time.Since(begun))
		}
	})
}
