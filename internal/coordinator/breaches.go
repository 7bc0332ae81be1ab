package coordinator

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// maxSilence is how long a job may be without any call of its runner. gitlab-runner keeps it alive every 30 s at most 60 s
// late; GitLab itself gives up after an hour.
const maxSilence = 2 * time.Minute

// minSecret is the length below which a masked value is not looked for: GitLab allows no shorter ones.
const minSecret = 8

// Violations lists what runners did against the protocol, oldest first. It holds no secrets.
func (s *Server) Violations() []string {
	b := s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := int64(1); id <= b.lastJob; id++ {
		if j := b.jobs[id]; j.alive() {
			b.checkSilence(j)
		}
	}
	return slices.Clone(b.breaches)
}

// referee watches that runners keep to the protocol.
type referee struct{ breaches []string }

func (r *referee) breach(format string, args ...any) {
	r.breaches = append(r.breaches, fmt.Sprintf(format, args...))
}

// lockedBreach is breach for callers that have not locked the board.
func (b *board) lockedBreach(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.breach(format, args...)
}

// checkSilence reports a runner that let a job go without a call for too long, once per silence.
func (r *referee) checkSilence(j *job) {
	silence := time.Since(j.contact)
	if silence <= maxSilence {
		j.silenceFrom = time.Time{}
		return
	}
	if j.silenceFrom.Equal(j.contact) {
		return
	}
	j.silenceFrom = j.contact
	r.breach("job %d: no call for %s, want a keep-alive every 30 s", j.ID, silence.Round(time.Second))
}

// called notes a sign of life of a job's runner.
func (r *referee) called(j *job) {
	r.checkSilence(j)
	j.contact = time.Now()
}

// checkAfterEnd looks at a patch of a job that is over: one is bound to happen after a cancel.
func (r *referee) checkAfterEnd(call string, j *job) {
	switch {
	case j.final != "":
		r.breach("%s: after the final state", call)
	case j.told:
		r.breach("%s: although the runner was told that the job is %s", call, j.State)
	}
	j.told = true
}

// checkTrace looks at the whole log of a job that its runner has ended. tokens are those of runners.
func (r *referee) checkTrace(j *job, tokens []string) {
	for _, secret := range slices.Concat(j.secrets, tokens) {
		if len(secret) >= minSecret && bytes.Contains(j.trace, []byte(secret)) {
			r.breach("job %d: a token or masked value is readable in the log", j.ID)
			break
		}
	}
	for _, complaint := range checkSections(j.trace) {
		r.breach("job %d: %s", j.ID, complaint)
	}
}

// failureReasons is what a payload lists as accepted unless a Patch changes it: the names of a 19.x server that a
// runner may send.
func failureReasons() []string {
	return []string{
		"unknown_failure", "script_failure", "api_failure", "stuck_or_timeout_failure", "runner_system_failure",
		"missing_dependency_failure", "runner_unsupported", "job_execution_timeout", "trace_size_exceeded",
		"runner_configuration_error", "runner_external_dependency_failure", "runner_interrupted",
	}
}

// acceptedReasons is what a runner may send for a job: what its payload lists, and what every GitLab knows.
func acceptedReasons(payload map[string]any) []string {
	out := []string{"unknown_failure", "script_failure", "runner_system_failure", "job_execution_timeout"}
	features, _ := payload["features"].(map[string]any)
	listed, _ := features["failure_reasons"].([]any)
	for _, reason := range listed {
		if name, ok := reason.(string); ok {
			out = append(out, name)
		}
	}
	return out
}
