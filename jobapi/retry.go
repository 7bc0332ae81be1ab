package jobapi

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxAttempts, firstBackoff and maxBackoff are gitlab-runner's, so that a fleet of both loads a server alike.
	maxAttempts  = 5
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 60 * time.Second

	// maxServerWait bounds what a server can ask for. A job in whose trace call we wait longer than this would not
	// notice a cancel; GitLab itself never asks for more than minutes.
	maxServerWait = 15 * time.Minute
)

// answer is what came back for one call: the last HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	from   *url.URL // whose answer it is

	requestID string               // that the call had in the server's logs
	tls       *tls.ConnectionState // nil without TLS
}

// retryDelay is the one retry policy of this package: whether a call that was answered with a is worth another
// attempt, and how long to wait before it. attempt is the number of the one just made, from 1.
//
// Errors without an answer never reach it. Whether the request arrived is then unknown, and every caller has a loop of
// its own (polling, trace, final update) that comes back with fresher data than a blind repetition would carry.
func retryDelay(a answer, attempt int) (wait time.Duration, again bool) {
	switch {
	case attempt >= maxAttempts:
		return 0, false // the caller has the slower loop
	case a.status == http.StatusTooManyRequests:
		// A rate limit, or heavy migrations: the request was refused before it had an effect.
	case a.status == http.StatusRequestTimeout:
		// The server gave up on reading a slow upload.
	case a.status == http.StatusInternalServerError:
		// GitLab answers so for passing faults too, such as a database failover.
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout:
		// A proxy without its Rails behind it: an upgrade or a restart.
	case a.status >= 512:
		// Load balancers and CDNs in front (520 to 530): their origin did not answer.
	default:
		return 0, false // an answer, if only a refusal: 501 and 505 to 511 do not change by asking again
	}
	if wait, ok := serverWait(a.header); ok {
		return min(wait, maxServerWait), true
	}
	// Full jitter, so that runners which failed together do not come back together.
	return rand.N(min(firstBackoff<<(attempt-1), maxBackoff)), true
}

// artifactDelay is retryDelay for the slower loop around the transfer of an artifact: each of its tries consists of
// several attempts. An error means that there was no whole answer. The numbers are gitlab-runner's.
func artifactDelay(a answer, err error, try int) (wait time.Duration, again bool) {
	tries := 3
	_, ownFault := errors.AsType[*bodyError](err)
	switch {
	case ownFault:
		return 0, false // the next try would read the same files
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, a.status == http.StatusNotFound:
		return 0, false // the job has ended, its token may not do this, or there is no such artifact
	case a.status == http.StatusRequestEntityTooLarge:
		return 0, false // it will not shrink
	case a.status == http.StatusServiceUnavailable:
		tries = 6 // overloaded, as happens when all jobs of a stage end together
	}
	return min(time.Second<<(try-1), 5*time.Second), try < tries
}

// serverWait reads how long the server wants us to wait: until RateLimit-ResetTime, else for Retry-After seconds.
func serverWait(h http.Header) (time.Duration, bool) {
	if reset, err := http.ParseTime(h.Get("RateLimit-ResetTime")); err == nil {
		// Measured from the server's own clock: a board without a clock battery may think that it is 1970.
		now, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		if wait := reset.Sub(now); wait > 0 {
			return wait, true
		}
	}
	if seconds, ok := headerSeconds(h, "Retry-After"); ok {
		return seconds, true
	}
	return 0, false
}

// headerSeconds reads a header of whole positive seconds, capped at maxServerWait.
func headerSeconds(h http.Header, name string) (time.Duration, bool) {
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil || n <= 0 {
		return 0, false
	}
	return time.Duration(min(n, int64(maxServerWait/time.Second))) * time.Second, true
}

// sleep waits, or returns the cause of ctx's end at once: a shutdown must not hang in a back-off.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
