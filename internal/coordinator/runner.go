package coordinator

import (
	"slices"
	"time"
)

// Runner is a registered runner.
type Runner struct {
	Token       string
	ID          int64 // 0: the next free one
	Description string
	Tags        []string
	RunUntagged bool // takes jobs without tags too
	AnyTags     bool // takes every job, whatever its tags: for exec, where nobody else could
}

// AddRunner registers a runner, or replaces the one with the same token.
func (s *Server) AddRunner(r Runner) {
	b := s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, replaced := b.runners[r.Token]; replaced && r.ID == 0 {
		r.ID = known.ID
	}
	if r.ID == 0 {
		b.lastRunner++
		r.ID = b.lastRunner
	}
	b.runners[r.Token] = &runner{Runner: r, managers: map[string]bool{}, empty: map[string][]time.Time{}}
	b.tick()
}

type runner struct {
	Runner
	managers map[string]bool        // the system ids that verified or asked for a job
	empty    map[string][]time.Time // by system id: the times of the latest answers without a job
}

// canTake applies GitLab's tag rule.
func (r *runner) canTake(tags []string) bool {
	if r.AnyTags {
		return true
	}
	if len(tags) == 0 {
		return r.RunUntagged
	}
	for _, tag := range tags {
		if !slices.Contains(r.Tags, tag) {
			return false
		}
	}
	return true
}

// maxEmptyPolls is how many answers without a job a runner may collect within one check interval. A runner with several
// slots that all end together may ask once for each; a busy loop asks hundreds of times.
const maxEmptyPolls = 10

// polledEmpty notes an answer without a job and says whether the runner is in a busy loop.
func (r *runner) polledEmpty(systemID string, interval time.Duration) (busy bool) {
	now := time.Now()
	times := append(r.empty[systemID], now)
	for now.Sub(times[0]) >= interval {
		times = times[1:]
	}
	r.empty[systemID] = times
	return len(times) == maxEmptyPolls+1
}
