package status

import (
	"time"
)

// Facts are what is told of a job. No variable of it is among them.
type Facts struct {
	ID             int64
	URL            string // in GitLab; may be empty
	Name           string
	Project        string
	Queued         time.Duration // how long it waited in GitLab; 0: unknown
	ProjectJobs    string        // how many jobs of its project run on instance runners, as GitLab words it
	QueueSize      int           // of the runner's queue in GitLab; 0: unknown
	QueueDepth     int
	TakenOver      bool          // from another process, which has counted it as taken
	AlreadyRunning time.Duration // before that
}

// Job is a job that runs. Call End once.
type Job struct {
	Facts
	runner *Runner
	begun  time.Time

	// Guarded by the board's lock.
	stage string
	since time.Time // of the stage
}

// Begin says that a job was received, or taken over from another process.
func (r *Runner) Begin(f Facts) *Job {
	now := time.Now()
	j := &Job{Facts: f, runner: r, begun: now.Add(-f.AlreadyRunning), stage: "prepare_executor", since: now}
	if !f.TakenOver {
		r.board.metrics.received(r, f)
	}
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.board.jobs = append(r.board.jobs, j)
	r.inUse++
	return j
}

// Stage says which section of the log the job has come to.
func (j *Job) Stage(section string) {
	j.runner.board.mu.Lock()
	defer j.runner.board.mu.Unlock()
	j.stage, j.since = section, time.Now()
}

// Measure says that a stage begins; the function that it returns, that the stage is over.
func (j *Job) Measure(stage string) (over func()) {
	begun := time.Now()
	return func() {
		j.runner.board.metrics.stages.histogram(append(j.runner.labels(), stage)...).Update(time.Since(begun).Seconds())
	}
}

// Interpolated says into how many texts of the job its inputs were put.
func (j *Job) Interpolated(texts int) { j.runner.board.metrics.inputs.Add(texts) }

// InputsFailed says that the inputs could not be put in, and why: parse or evaluation.
func (j *Job) InputsFailed(kind string) {
	j.runner.board.metrics.inputFailures.counter(kind).Inc()
}

// Started says how long the phases of the start-up took, which overlap.
func (j *Job) Started(phase string, took time.Duration) {
	j.runner.board.metrics.startup.histogram(phase).Update(took.Seconds())
}

// End says how the job ended: reason is GitLab's failure_reason, empty for a success.
func (j *Job) End(reason string) {
	r := j.runner
	r.board.remove(j)
	r.board.metrics.ended(r, reason, time.Since(j.begun))
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.inUse--
}

// executorStage is gitlab-runner's word for what the executor does in a section.
func executorStage(section string) string {
	switch section {
	case "prepare_executor":
		return "prepare"
	case "cleanup_file_variables":
		return "cleanup"
	}
	return "docker_run"
}
