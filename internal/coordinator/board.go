package coordinator

import (
	"crypto/rand"
	"net/url"
	"sync"
	"time"

	"lced-runner/internal/ciyaml"
)

// board is the state of the server: the site is set once, all else is guarded by the mutex.
type board struct {
	site

	mu sync.Mutex
	referee
	changed      chan struct{} // closed and replaced at every change
	lastUpdate   string        // X-GitLab-Last-Update: another value whenever a job becomes pending
	runners      map[string]*runner
	projects     map[string]*project // by path
	pipelines    map[int64]*pipeline
	jobs         map[int64]*job
	lastRunner   int64
	lastPipeline int64
	lastJob      int64
	faults       []*Fault
	signed       map[string]*artifact // by the key of their storage address
}

func newBoard(options Options, base *url.URL) *board {
	b := &board{
		site:      site{options: options, base: base},
		changed:   make(chan struct{}),
		runners:   map[string]*runner{},
		projects:  map[string]*project{},
		pipelines: map[int64]*pipeline{},
		jobs:      map[int64]*job{},
		signed:    map[string]*artifact{},
	}
	b.tick()
	return b
}

// tick gives the job queue a new value, so that a runner that asks with the old one is served.
func (b *board) tick() {
	b.lastUpdate = rand.Text()
	b.notify()
}

// notify wakes everybody who waits for a change.
func (b *board) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) addJob(p *pipeline, spec ciyaml.Job) *job {
	b.lastJob++
	j := &job{
		Job: Job{
			ID: b.lastJob, Pipeline: p.id, Name: spec.Name, Stage: spec.Stage, State: StateCreated,
			AllowFailure: spec.AllowFailure, Token: "glcbt-64_" + rand.Text()[:20], Created: time.Now(),
		},
		spec: spec, pipeline: p,
	}
	j.tags = expandTags(spec.Tags, b.variables(j))
	b.jobs[j.ID] = j
	return j
}

// take hands the oldest pending job that the runner may run to it.
func (b *board) take(r *runner, systemID string, features map[string]bool) *job {
	for id := int64(1); id <= b.lastJob; id++ {
		j, ok := b.jobs[id]
		if !ok || j.State != StatePending || !r.canTake(j.tags) {
			continue
		}
		now := time.Now()
		j.runner, j.RunnerID, j.SystemID, j.Features = r, r.ID, systemID, features
		j.HandedOut, j.contact = now, now
		if lacksFeature(j.spec, features) {
			j.FailureReason = "runner_unsupported"
			b.end(j, StateFailed)
			continue
		}
		j.State = StateRunning
		b.notify()
		return j
	}
	return nil
}

// lacksFeature says whether a job needs what its runner cannot do; GitLab then lets it fail at once.
func lacksFeature(spec ciyaml.Job, features map[string]bool) bool {
	if a := spec.Artifacts; a != nil {
		if len(a.Reports) > 0 && !features["upload_multiple_artifacts"] || len(a.Exclude) > 0 && !features["artifacts_exclude"] {
			return true
		}
	}
	return len(spec.AllowedExitCodes) > 0 && !features["return_exit_code"]
}

// end gives a job its final state and lets the pipeline go on.
func (b *board) end(j *job, state string) {
	j.State, j.Finished = state, time.Now()
	b.advance(j.pipeline)
	b.notify()
}

func (b *board) cancel(id int64, gracefully bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j, ok := b.jobs[id]
	if !ok || j.Ended() {
		return
	}
	if gracefully && j.alive() && j.Features["cancel_gracefully"] {
		j.State = StateCanceling
		b.notify()
		return
	}
	b.end(j, StateCanceled)
}
