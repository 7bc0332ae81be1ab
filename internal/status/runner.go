package status

import (
	"strconv"
	"strings"
	"time"
)

// Identity is how a runner is known outside: nothing in it is secret.
type Identity struct {
	Name       string // in the configuration
	ShortToken string
	URL        string // of its GitLab
}

// Limits are what the configuration allows a runner.
type Limits struct {
	Jobs     int // limit; 0: as many as concurrent
	Requests int // request_concurrency
}

// doing is what the polling of a runner is at.
type doing int

const (
	idle    doing = iota // between two requests
	waiting              // for a slot
	asking               // the engine, then GitLab
	pausing              // after an error
)

// Runner is one runner of the configuration, for as long as the process lives.
type Runner struct {
	Identity
	board *Board

	// Guarded by the board's lock.
	limits   Limits
	doing    doing
	since    time.Time
	until    time.Time // of a pause
	problem  string    // why the last request brought no answer; empty when it did
	answered time.Time // when GitLab last answered a request
	asking   int       // requests that wait at GitLab now
	engine   string    // where its jobs run, for people
	engineUp bool
	inUse    int // jobs
}

// Runner is the runner of this identity; it is made at its first mention.
func (b *Board) Runner(id Identity, l Limits, engine string) *Runner {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.all[id]
	if r == nil {
		r = &Runner{Identity: id, board: b, since: time.Now()}
		b.all[id] = r
		b.metrics.introduce(r)
	}
	r.limits, r.engine, r.problem, r.doing = l, engine, "", idle
	return r
}

func (r *Runner) now(d doing, change func()) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.doing, r.since = d, time.Now()
	if change != nil {
		change()
	}
}

// Waits says that the runner waits for a slot.
func (r *Runner) Waits() {
	r.board.metrics.feeds.counter(r.labels()...).Inc()
	r.now(waiting, nil)
}

// Asks says that the runner asks GitLab for a job. The function that it returns says that the answer is there.
func (r *Runner) Asks() func() {
	r.now(asking, func() { r.asking++ })
	return func() { r.now(idle, func() { r.asking-- }) }
}

// Engine says whether the engine answered.
func (r *Runner) Engine(up bool) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.engineUp = up
}

// Answered says that GitLab has answered, with a job or without.
func (r *Runner) Answered() {
	r.now(idle, func() { r.problem, r.answered = "", time.Now() })
}

// Pauses says that a request failed, and when the next one comes. refused tells that GitLab does not know the runner any more.
func (r *Runner) Pauses(err error, refused bool, pause time.Duration) {
	r.board.metrics.feedFailures.counter(r.labels()...).Inc()
	if refused {
		r.board.metrics.refusals.counter(r.labels()...).Inc()
	}
	r.now(pausing, func() { r.problem, r.until = err.Error(), time.Now().Add(pause) })
}

// Call is one HTTP request to GitLab.
type Call struct {
	Endpoint string // request_job, update_job, patch_trace and so on
	Method   string
	Status   int // 0: no answer
	Took     time.Duration
}

// Called says that a request to GitLab is over.
func (r *Runner) Called(c Call) {
	status, class := "-1", "error"
	if c.Status > 0 {
		status = strconv.Itoa(c.Status)
		class = status[:1] + "xx"
	}
	m, method := r.board.metrics, strings.ToLower(c.Method)
	m.calls.counter(r.ShortToken, r.board.SystemID, c.Endpoint, status, method).Inc()
	m.callSeconds.histogram(r.ShortToken, r.board.SystemID, c.Endpoint, class, method).Update(c.Took.Seconds())
	m.attempts.counter(c.Endpoint, method).Inc()
}

// labels are the values of runner, runner_name and system_id.
func (r *Runner) labels() []string { return []string{r.ShortToken, r.Name, r.board.SystemID} }
