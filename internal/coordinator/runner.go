package coordinator

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Runner is a registered runner.
type Runner struct {
	Token       string
	ID          int64 // 0: the next free one
	Description string
	Tags        []string
	RunUntagged bool     // takes jobs without tags too
	AnyTags     bool     // takes every job, whatever its tags: for exec, where nobody else could
	Orphaned    bool     // its project or group was deleted
	Managers    []string // system ids of the machines that use it, sorted; set by RunnersOf

	TokenLifetime time.Duration // how long its token is good for, as the runner is told; 0: for ever
}

// AddRunner registers a runner, or replaces the one with the same token.
func (s *Server) AddRunner(r Runner) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.addRunner(r)
}

func (b *board) addRunner(r Runner) *runner {
	if known, replaced := b.runners[r.Token]; replaced && r.ID == 0 {
		r.ID = known.ID
	}
	if r.ID == 0 {
		b.lastRunner++
		r.ID = b.lastRunner
	}
	made := &runner{Runner: r, since: time.Now(), managers: map[string]bool{}, empty: map[string][]time.Time{}}
	b.runners[r.Token] = made
	b.tick()
	return made
}

// RunnersOf gives the runners of a server by id, each with its present token and the machines that use it.
func RunnersOf(s *Server) []Runner {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	var out []Runner
	for _, known := range s.board.runners {
		record := known.Runner
		record.Managers = slices.Sorted(maps.Keys(known.managers))
		out = append(out, record)
	}
	slices.SortFunc(out, func(a, b Runner) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

type runner struct {
	Runner
	since    time.Time              // the token's
	managers map[string]bool        // the system ids that verified or asked for a job
	empty    map[string][]time.Time // by system id: the times of the latest answers without a job
}

// credentials is what GitLab tells a runner of itself.
func (r *runner) credentials() map[string]any {
	return map[string]any{"id": r.ID, "token": r.Token, "token_expires_at": r.expiry()}
}

// expiry is the token's end in GitLab's form, or nil.
func (r *runner) expiry() any {
	if r.TokenLifetime == 0 {
		return nil
	}
	return r.since.Add(r.TokenLifetime).UTC().Format("2006-01-02T15:04:05.000Z")
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
