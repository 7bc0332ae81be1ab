package runner

import (
	"errors"
	"sync"
	"time"
)

// Ration bounds what a runner does before it ends by itself, as gitlab-runner's run-single does.
type Ration struct {
	Jobs int           // how many jobs it takes; 0: any number
	Idle time.Duration // how long it stays without a job; 0: for ever
}

// Why a runner ends by itself.
var (
	errEnough = errors.New("the runner has taken as many jobs as it was to take")
	errIdle   = errors.New("the runner has been without a job for as long as it was to be")
)

// rations counts what is taken of a Ration.
type rations struct {
	Ration
	mu    sync.Mutex
	taken int
	busy  int         // jobs that run
	idle  *time.Timer // ends polling; nil: it has not begun, or there is no limit
}

// begin starts counting the idle time; end ends polling.
func (r *rations) begin(end func(why error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Idle <= 0 {
		return
	}
	r.idle = time.AfterFunc(r.Idle, func() { end(errIdle) })
	if r.busy > 0 { // with jobs of an earlier process
		r.idle.Stop()
	}
}

// took counts a job that GitLab gave; true for the last one.
func (r *rations) took() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken++
	return r.taken == r.Jobs
}

// runs says that one more job runs, or with -1 one less.
func (r *rations) runs(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy += n
	switch {
	case r.idle == nil:
	case r.busy > 0:
		r.idle.Stop()
	default:
		r.idle.Reset(r.Idle)
	}
}
