package runner

import (
	"context"
	"slices"
	"sync"

	"lced-runner/internal/journal"
	"lced-runner/internal/session"
	"lced-runner/jobapi"
)

// slots bounds how many jobs run at once, over all runners and for each, and numbers them as gitlab-runner does: the
// lowest number that is free. Who waits longest is served first.
type slots struct {
	mu         sync.Mutex
	concurrent int
	running    int // slots that are taken, and how many of them
	jobs       int // have a job
	askers     int // loops that ask for jobs, with a slot or without
	project    map[projectKey]map[int]bool
	waiting    []*waiter
}

// waiter is a poller that waits for a slot.
type waiter struct {
	poller *poller
	slot   chan *slot // of one: the slot that it was given
}

// projectKey is a project of a runner; two entries with one token are one runner to GitLab, and share its volumes.
type projectKey struct {
	token jobapi.Secret
	id    int64
}

// slot is the right to run one job.
type slot struct {
	slots   *slots
	poller  *poller
	number  int // CI_CONCURRENT_ID
	project projectKey
	inside  int              // CI_CONCURRENT_PROJECT_ID
	session *session.Session // the web terminal of its job; nil: there is none
}

func newSlots(concurrent int) *slots {
	return &slots{concurrent: concurrent, project: map[projectKey]map[int]bool{}}
}

// take waits for a slot. It is taken before GitLab is asked for a job, so that a full board never gets one it cannot run.
// The wait ends with ctx, or when the poller's entry e is replaced.
func (s *slots) take(ctx context.Context, p *poller, e *entry) (*slot, error) {
	w := &waiter{poller: p, slot: make(chan *slot, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	s.serve()
	s.mu.Unlock()
	var err error
	select {
	case one := <-w.slot:
		return one, nil
	case <-e.replaced:
		err = errReplaced
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.mu.Lock()
	s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
	s.mu.Unlock()
	if len(w.slot) > 0 { // given in the same moment
		(<-w.slot).free()
	}
	return nil, err
}

// serve gives the free slots to those who wait. The caller holds the lock.
func (s *slots) serve() {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *waiter) bool {
		limit := w.poller.entry().config.Limit
		if s.running >= s.concurrent || limit > 0 && len(w.poller.taken) >= limit {
			return false
		}
		s.running++
		w.slot <- &slot{slots: s, poller: w.poller, number: lowest(w.poller.taken)}
		return true
	})
}

// retake gives a job that another process left the numbers that it had there, above the bounds if need be.
func (s *slots) retake(p *poller, record journal.Entry) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
	p.taken[record.Slot] = true
	sl := &slot{slots: s, poller: p, number: record.Slot, inside: record.ProjectSlot}
	s.ofProject(sl, p.entry().config.Token, record.Job.JobInfo.ProjectID)[sl.inside] = true
	return sl
}

// resize follows a change of the configuration. Jobs above a lower bound run to their end.
func (s *slots) resize(concurrent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.concurrent = concurrent
	s.serve()
}

// join counts a loop that asks for jobs in, or with -1 out.
func (s *slots) join(loops int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askers += loops
}

// scarce says that more loops ask for jobs than there are slots without a job. None may then have GitLab hold its request,
// which would keep the others from asking theirs for as long.
func (s *slots) scarce() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.askers > s.concurrent-s.jobs
}

// forProject numbers the job among those of its project, which have volumes of their own by this number.
func (sl *slot) forProject(token jobapi.Secret, id int64) {
	s := sl.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.inside = lowest(s.ofProject(sl, token, id))
}

// ofProject are the numbers of the slots of a project, to which a slot belongs from now on. The caller holds the lock.
func (s *slots) ofProject(sl *slot, token jobapi.Secret, id int64) map[int]bool {
	s.jobs++
	sl.project = projectKey{token, id}
	if s.project[sl.project] == nil {
		s.project[sl.project] = map[int]bool{}
	}
	return s.project[sl.project]
}

// free gives the slot back.
func (sl *slot) free() {
	sl.session.Close()
	s := sl.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(sl.poller.taken, sl.number)
	if sl.project != (projectKey{}) {
		delete(s.project[sl.project], sl.inside)
		s.jobs--
	}
	s.running--
	s.serve()
}

// lowest takes the lowest free number.
func lowest(taken map[int]bool) int {
	n := 0
	for taken[n] {
		n++
	}
	taken[n] = true
	return n
}
