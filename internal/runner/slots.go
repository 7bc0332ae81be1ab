package runner

import (
	"context"
	"sync"

	"lced-runner/jobapi"
)

// slots bounds how many jobs run at once, over all runners and for each, and numbers them as gitlab-runner does: the
// lowest number that is free.
type slots struct {
	all chan struct{}

	mu      sync.Mutex
	limits  map[*entry]chan struct{}
	taken   map[*entry]map[int]bool
	project map[projectKey]map[int]bool
}

// projectKey is a project of a runner; two entries with one token are one runner to GitLab, and share its volumes.
type projectKey struct {
	token jobapi.Secret
	id    int64
}

// slot is the right to run one job.
type slot struct {
	slots   *slots
	entry   *entry
	number  int // CI_CONCURRENT_ID
	project projectKey
	inside  int // CI_CONCURRENT_PROJECT_ID
}

func newSlots(concurrent int) *slots {
	return &slots{
		all:    make(chan struct{}, concurrent),
		limits: map[*entry]chan struct{}{}, taken: map[*entry]map[int]bool{}, project: map[projectKey]map[int]bool{},
	}
}

// take waits for a slot. It is taken before GitLab is asked for a job, so that a full board never gets one it cannot run.
func (s *slots) take(ctx context.Context, e *entry) (*slot, error) {
	limit := s.limit(e)
	select {
	case limit <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case s.all <- struct{}{}:
	case <-ctx.Done():
		<-limit
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &slot{slots: s, entry: e, number: lowest(s.taken, e)}, nil
}

func (s *slots) limit(e *entry) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits[e] == nil {
		n := cap(s.all)
		if e.config.Limit > 0 {
			n = e.config.Limit
		}
		s.limits[e] = make(chan struct{}, n)
	}
	return s.limits[e]
}

// forProject numbers the job among those of its project, which have volumes of their own by this number.
func (sl *slot) forProject(id int64) {
	sl.slots.mu.Lock()
	defer sl.slots.mu.Unlock()
	sl.project = projectKey{sl.entry.config.Token, id}
	sl.inside = lowest(sl.slots.project, sl.project)
}

// free gives the slot back.
func (sl *slot) free() {
	s := sl.slots
	s.mu.Lock()
	delete(s.taken[sl.entry], sl.number)
	delete(s.project[sl.project], sl.inside)
	s.mu.Unlock()
	<-s.all
	<-s.limit(sl.entry)
}

// lowest takes the lowest free number.
func lowest[K comparable](taken map[K]map[int]bool, key K) int {
	if taken[key] == nil {
		taken[key] = map[int]bool{}
	}
	n := 0
	for taken[key][n] {
		n++
	}
	taken[key][n] = true
	return n
}
