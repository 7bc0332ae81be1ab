package coordinator

import (
	"slices"

	"lced-runner/internal/ciyaml"
)

// advance decides on the jobs whose earlier stages, or the jobs that they need, have ended.
func (b *board) advance(p *pipeline) {
	for changed := true; changed; { // a job that is skipped may be needed by one before it
		changed = false
		for i, j := range p.byStages {
			if j.State != StateCreated {
				continue
			}
			p.decide(i)
			changed = changed || j.State != StateCreated
			if j.State == StatePending {
				b.tick()
			}
		}
	}
	b.notify()
}

// decide gives a job its next state, if its time has come.
func (p *pipeline) decide(i int) {
	j := p.byStages[i]
	switch before := composite(p.before(i)); {
	case before == StateRunning || before == StateManual:
		// A blocking manual job holds everything behind it, as in GitLab.
	case !startsAfter(j.spec.When, before):
		j.State = StateSkipped
	case j.spec.When == "manual":
		j.State = StateManual
	default:
		j.State = StatePending
	}
}

// before gives the jobs that the i-th one waits for. A needed job that exec was not asked to run is not among them.
func (p *pipeline) before(i int) []*job {
	j := p.byStages[i]
	if j.spec.Needs == nil {
		earlier := p.byStages[:i]
		for len(earlier) > 0 && earlier[len(earlier)-1].Stage == j.Stage {
			earlier = earlier[:len(earlier)-1]
		}
		return earlier
	}
	return slices.DeleteFunc(slices.Clone(p.byStages), func(other *job) bool {
		return !slices.ContainsFunc(j.spec.Needs, func(n ciyaml.Need) bool { return n.Job == other.Name })
	})
}

// startsAfter is GitLab's table of the states of the earlier stages together, after which a job starts. After canceled
// none does.
func startsAfter(when, before string) bool {
	switch when {
	case "on_failure":
		return before == StateFailed
	case "always":
		return before != StateCanceled
	}
	return before == StateSuccess || before == StateSkipped
}

// composite is the state of several jobs together. Failed and canceled jobs that may fail count as success, manual
// ones that may fail as skipped. No jobs at all are a success.
func composite(jobs []*job) string {
	count := map[string]int{}
	for _, j := range jobs {
		state := j.State
		switch {
		case j.alive() || state == StatePending:
			return StateRunning
		case j.AllowFailure && (state == StateFailed || state == StateCanceled):
			state = StateSuccess
		case j.AllowFailure && state == StateManual:
			state = StateSkipped
		}
		count[state]++
	}
	switch {
	case count[StateManual] > 0:
		return StateManual // created jobs may wait behind it
	case count[StateCreated] > 0:
		return StateRunning
	case count[StateFailed] > 0:
		return StateFailed
	case count[StateCanceled] > 0:
		return StateCanceled
	case count[StateSkipped] > 0 && count[StateSuccess] == 0:
		return StateSkipped
	}
	return StateSuccess
}
