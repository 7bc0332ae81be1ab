package executor

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
)

// takeHelper makes the helper that was kept the job's, unless another kind is wanted or it has ended. One that is not taken is
// removed; should that fail nobody claims it any more, and it goes with the orphans.
func (s *starter) takeHelper(ctx context.Context) (taken bool) {
	kept, wanted := s.Helper, s.plan.Helper
	s.Helper = nil
	if kept == nil {
		return false
	}
	if kept.Form != wanted.Form || !kept.become(ctx, wanted.Name) {
		_ = kept.Remove(ctx)
		return false
	}
	own(s.Job, kept)
	s.state.Helper = kept.container
	return true
}

// idleHelper is the id of the job's helper if another job can have it: it could leave nothing in its file system, which is
// read-only, and by the engine's word nothing runs in it but its first process.
func idleHelper(ctx context.Context, j *Job) string {
	h, id := j.plan.Helper, j.state.Helper
	if h == nil || h.Form == "" || id == "" || ctx.Err() != nil {
		return ""
	}
	ctx, cancel := steady(ctx)
	defer cancel()
	top, err := j.engine.docker.ContainerTop(ctx, id, client.ContainerTopOptions{})
	if err != nil || len(top.Processes) != 1 {
		return ""
	}
	return id
}

// IdleHelper is, after Run, the helper that can be kept; nil where none can.
func (j *Job) IdleHelper() *Helper {
	if j.idle == "" {
		return nil
	}
	return j.plan.Helper
}

// KeepHelper takes the helper out of the job, before Remove, and gives it back its first name, by which every process knows that no
// job has it.
func (j *Job) KeepHelper(ctx context.Context) (*Spare, error) {
	ctx, cancel := steady(ctx)
	defer cancel()
	spare, err := j.engine.inspectSpare(ctx, j.idle)
	if err != nil {
		return nil, err
	}
	if _, err := j.engine.docker.ContainerRename(ctx, j.idle, client.ContainerRenameOptions{NewName: SpareName(spare.Name)}); err != nil {
		return nil, fmt.Errorf("rename the helper %s: %w", j.idle, err)
	}
	spare.claim()
	j.untrack(j.idle)
	return spare, nil
}
