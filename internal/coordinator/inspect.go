package coordinator

import (
	"bytes"
	"context"
	"fmt"
)

// Job gives the present record of a job.
func (s *Server) Job(id int64) (Job, bool) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	j, ok := s.board.jobs[id]
	if !ok {
		return Job{}, false
	}
	return j.Job, true
}

// Jobs gives the records of a pipeline's jobs in the order of stages, then of the file: the table to print.
func (s *Server) Jobs(pipeline int64) []Job {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	p, ok := s.board.pipelines[pipeline]
	if !ok {
		return nil
	}
	var out []Job
	for _, j := range p.byStages {
		out = append(out, j.Job)
	}
	return out
}

// Trace gives a copy of a job's log as received so far.
func (s *Server) Trace(id int64) []byte {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	j, ok := s.board.jobs[id]
	if !ok {
		return nil
	}
	return bytes.Clone(j.trace)
}

// Wait returns the final state of a pipeline once nothing of it can run any more: success, failed, canceled, skipped, or
// manual where a blocking manual job holds it. The error is the cause of a ctx that ended earlier.
func (s *Server) Wait(ctx context.Context, pipeline int64) (string, error) {
	b := s.board
	for {
		b.mu.Lock()
		p, ok := b.pipelines[pipeline]
		if !ok {
			b.mu.Unlock()
			return "", fmt.Errorf("waiting for pipeline %d: there is none", pipeline)
		}
		state, changed := composite(p.byStages), b.changed
		b.mu.Unlock()
		if state != StateRunning {
			return state, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return state, fmt.Errorf("waiting for pipeline %d: %w", pipeline, context.Cause(ctx))
		}
	}
}

// Await returns the record of a job as soon as until is true for it and its log. until runs with the
// server locked and must not keep the log.
func (s *Server) Await(ctx context.Context, id int64, until func(Job, []byte) bool) (Job, error) {
	b := s.board
	for {
		b.mu.Lock()
		j, ok := b.jobs[id]
		if !ok {
			b.mu.Unlock()
			return Job{}, fmt.Errorf("waiting for job %d: there is none", id)
		}
		record, changed := j.Job, b.changed
		met := until(record, j.trace)
		b.mu.Unlock()
		if met {
			return record, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return record, fmt.Errorf("waiting for job %d, which is %s: %w", id, record.State, context.Cause(ctx))
		}
	}
}

// Cancel asks for a job's end as GitLab's cancel button does: a running job is canceling if its runner can do that, which
// lets after_script run, else canceled at once. Ended jobs stay as they are.
func (s *Server) Cancel(id int64) {
	s.board.cancel(id, true)
}

// ForceCancel ends a job at once, whatever its runner does.
func (s *Server) ForceCancel(id int64) {
	s.board.cancel(id, false)
}
