package coordinator

// advance decides on the jobs of every stage whose earlier stages have ended.
func (b *board) advance(p *pipeline) {
	for i, j := range p.byStages {
		if j.State != StateCreated {
			continue
		}
		earlier := p.byStages[:i]
		for len(earlier) > 0 && earlier[len(earlier)-1].Stage == j.Stage {
			earlier = earlier[:len(earlier)-1]
		}
		switch before := composite(earlier); {
		case before == StateRunning || before == StateManual:
			return // a blocking manual job holds everything behind it, as in GitLab
		case !startsAfter(j.spec.When, before):
			j.State = StateSkipped
		case j.spec.When == "manual":
			j.State = StateManual
		default:
			j.State = StatePending
			b.tick()
		}
	}
	b.notify()
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
