package coordinator

import (
	"bytes"
	"io"
	"sync"
	"time"

	"lced-runner/internal/ciyaml"
)

// States of jobs and pipelines, GitLab's names. A pipeline is never created or canceling.
const (
	StateCreated   = "created" // an earlier stage has not ended
	StatePending   = "pending"
	StateRunning   = "running"
	StateCanceling = "canceling"
	StateSuccess   = "success"
	StateFailed    = "failed"
	StateCanceled  = "canceled"
	StateSkipped   = "skipped"
	StateManual    = "manual"
)

// Job is what the server knows about a job at one moment.
type Job struct {
	ID            int64
	Pipeline      int64
	Name          string
	Stage         string
	State         string
	AllowFailure  bool
	FailureReason string // the runner's, or the server's own runner_unsupported; empty unless failed
	ExitCode      int    // as sent by the runner
	RunnerID      int64  // of the runner that took it, 0 before
	SystemID      string
	Token         string          // the job token
	Features      map[string]bool // that its runner told when it asked for it; read only

	Bytesize  int64  // of the log, as told by the runner's latest update
	Checksum  string // the same, for example crc32:00000000
	TraceSize int    // bytes of the log that arrived
	Unheard   bool   // the answer that handed it out was lost by a fault: no runner knows of it

	Created    time.Time
	HandedOut  time.Time // the answer of the job request; zero before, as the next two
	FirstTrace time.Time // the first log bytes
	Finished   time.Time
}

// Duration is the time since the job was handed out, up to its end if it has ended; 0 before.
func (j Job) Duration() time.Duration {
	switch {
	case j.HandedOut.IsZero():
		return 0
	case j.Finished.IsZero():
		return time.Since(j.HandedOut)
	}
	return j.Finished.Sub(j.HandedOut)
}

// Ended says whether the state is final. A manual job that nobody starts has ended too.
func (j Job) Ended() bool {
	switch j.State {
	case StateSuccess, StateFailed, StateCanceled, StateSkipped, StateManual:
		return true
	}
	return false
}

// job is the server's own record. All fields but live are guarded by the board's mutex.
type job struct {
	Job
	spec     ciyaml.Job
	tags     []string // expanded
	pipeline *pipeline
	runner   *runner        // that took it, nil before
	session  *runnerSession // where its terminal is; nil: nowhere
	secrets  []string       // values that must not show in the log
	reasons  []string       // accepted as failure_reason

	wanted    []Artifact // what the payload asks for, without names and sizes
	artifacts []*artifact
	dotenv    []Variable // of its reports, for later jobs

	trace       []byte
	contact     time.Time // the latest call about the job
	sentRunning bool      // a PUT running was sent
	sawRunning  bool      // and answered
	final       string    // the final PUT that was accepted
	told        bool      // the runner was told that the job is over
	mismatches  int       // 416 in a row
	live        liveCopy
	silenceFrom time.Time // the contact after which a silence was reported
}

// alive says whether the job token works.
func (j *job) alive() bool { return j.State == StateRunning || j.State == StateCanceling }

// liveCopy hands each byte of a log to a writer once.
type liveCopy struct {
	mu      sync.Mutex
	writer  io.Writer
	written int
}

// copyLive writes what the writer has not had yet. The board must not be locked: a terminal may block.
func (b *board) copyLive(j *job) {
	if b.options.Live == nil {
		return
	}
	j.live.mu.Lock()
	defer j.live.mu.Unlock()
	b.mu.Lock()
	record := j.Job
	var rest []byte
	if len(j.trace) > j.live.written {
		rest = bytes.Clone(j.trace[j.live.written:])
	}
	b.mu.Unlock()
	if len(rest) == 0 {
		return
	}
	if j.live.writer == nil {
		j.live.writer = b.options.Live(record)
	}
	j.live.written += len(rest)
	// A broken terminal must not fail the job.
	_, _ = j.live.writer.Write(rest)
}
