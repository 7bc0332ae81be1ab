package jobapi

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetriedStatuses(t *testing.T) {
	t.Parallel()
	attempts := map[int]int{
		0:   1, // no answer
		200: 1, 301: 1, 400: 1, 403: 1, 404: 1, 409: 1, 413: 1, 422: 1, 501: 1, 505: 1, 511: 1,
		408: 5, 429: 5, 500: 5, 502: 5, 503: 5, 504: 5, 512: 5, 520: 5, 599: 5,
	}
	for status, want := range attempts {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, fake := start(t, Options{}, reply{status: status})
				begin := time.Now()
				_, _ = client.Verify(t.Context())
				if got := len(fake.requests()); got != want {
					t.Errorf("%d attempts, want %d", got, want)
				}
				if took := time.Since(begin); took > 1500*time.Millisecond {
					t.Errorf("took %v, more than 100+200+400+800 ms", took)
				}
			})
		})
	}
}

func TestRetryWaits(t *testing.T) {
	t.Parallel()
	type header = map[string]string
	date := func(second int) string {
		return time.Date(2031, 5, 6, 7, 8, second, 0, time.UTC).Format(http.TimeFormat)
	}
	tests := map[string]struct {
		header   header
		min, max time.Duration // of the first wait
	}{
		"Retry-After":          {header{"Retry-After": "2"}, 2 * time.Second, 2 * time.Second},
		"Retry-After too long": {header{"Retry-After": "9999999999"}, 15 * time.Minute, 15 * time.Minute},
		"Retry-After in words": {header{"Retry-After": "later"}, 0, 100 * time.Millisecond},
		"Retry-After zero":     {header{"Retry-After": "0"}, 0, 100 * time.Millisecond},
		"reset time":           {header{"RateLimit-ResetTime": date(20), "Date": date(13)}, 7 * time.Second, 7 * time.Second},
		"reset time too far":   {header{"RateLimit-ResetTime": "Mon, 05 May 2036 07:08:09 GMT", "Date": date(13)}, 15 * time.Minute, 15 * time.Minute},
		"reset time goes first": {
			header{"RateLimit-ResetTime": date(20), "Date": date(13), "Retry-After": "2"},
			7 * time.Second, 7 * time.Second,
		},
		"reset time passed": {
			header{"RateLimit-ResetTime": date(13), "Date": date(20), "Retry-After": "2"},
			2 * time.Second, 2 * time.Second,
		},
		"reset time garbage": {header{"RateLimit-ResetTime": "soon", "Retry-After": "2"}, 2 * time.Second, 2 * time.Second},
		"reset time without the server's date": {
			// synctest's clock starts at midnight UTC 2000-01-01; an empty Date header makes the server leave it out.
			header{"RateLimit-ResetTime": "Sat, 01 Jan 2000 00:00:30 GMT", "Date": ""},
			30 * time.Second, 30 * time.Second,
		},
		"nothing said": {nil, 0, 100 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, fake := start(t, Options{}, reply{status: 429, header: test.header}, reply{status: 200, body: "200"})
				if _, err := client.Verify(t.Context()); err != nil {
					t.Fatal(err)
				}
				requests := fake.requests()
				if len(requests) != 2 {
					t.Fatalf("%d requests", len(requests))
				}
				if wait := requests[1].at.Sub(requests[0].at); wait < test.min || wait > test.max {
					t.Errorf("waited %v", wait)
				}
			})
		})
	}
}

// Every attempt without a word from the server waits up to twice as long as the one before, and not always the same.
func TestBackoffGrowsWithFullJitter(t *testing.T) {
	t.Parallel()
	for attempt, limit := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 800} {
		limit *= time.Millisecond
		var longest time.Duration
		shortest := limit
		for range 1000 {
			wait, again := retryDelay(answer{status: 503}, attempt)
			if !again || wait < 0 || wait >= limit {
				t.Fatalf("attempt %d: %v %v", attempt, wait, again)
			}
			shortest, longest = min(shortest, wait), max(longest, wait)
		}
		if shortest > limit/10 || longest < limit*9/10 {
			t.Errorf("attempt %d: waits from %v to %v of 0 to %v", attempt, shortest, longest, limit)
		}
	}
	if _, again := retryDelay(answer{status: 503}, 5); again {
		t.Error("a sixth attempt")
	}
}

// A limit that the server announces for one token must not slow down the calls for others.
func TestAnnouncedLimitDoesNotDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := start(t, Options{}, reply{status: 204, header: map[string]string{"RateLimit-Limit": "1"}})
		begin := time.Now()
		for range 3 {
			if _, err := client.Request(t.Context(), Ask{}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}
