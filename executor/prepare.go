package executor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// prepareAttempts and the pause between them are gitlab-runner's (docker-executor contract 1.1).
const (
	prepareAttempts = 3
	preparePause    = 3 * time.Second
)

// prepare starts the job. What an engine could not do for a moment is tried again, from nothing; what would fail again is
// not.
func (j *Job) prepare(ctx, steps context.Context) error {
	defer dropHelper(ctx, j)
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		err := j.engine.blame(j.start(ctx, steps, begun))
		if err != nil && ctx.Err() == nil && steps.Err() != nil {
			return context.Cause(steps) // whatever it was in which that showed first
		}
		last := attempt >= prepareAttempts && !(away(err) && j.engine.patience.lasts(attempt, begun))
		if err == nil || last || ctx.Err() != nil || steps.Err() != nil || !j.passing(err) {
			return err
		}
		section := j.log("prepare_executor", `Preparing the "docker" executor`)
		warn(section, "Preparation failed: %v", err)
		section.Plain("Will be retried in %v, when the engine answers ...", preparePause)
		section.Close()
		j.kill(ctx)
		err = undo(ctx, j)
		if err != nil && j.engine.await(steps) == nil {
			err = undo(ctx, j) // an engine on its way out refuses a part of it
		}
		if err != nil {
			return fmt.Errorf("clean up after a preparation that failed: %w", err)
		}
		j.forget()
		j.shell, j.retried = nil, true
		select {
		case <-time.After(preparePause):
		case <-steps.Done():
			return context.Cause(steps)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := j.engine.await(steps); err != nil {
			return err
		}
	}
}

// dropHelper removes the kept helper of a preparation that ended before it came to take it: nobody else has it. That of a job that
// is left is for the next process to find.
func dropHelper(ctx context.Context, j *Job) {
	if j.Helper == nil || left(ctx) {
		return
	}
	_ = j.Helper.Remove(ctx) // should that fail nobody claims it any more, and it goes with the orphans
	j.Helper = nil
}

// passing reports whether an error of the preparation may be gone at the next try: everything but what the job, its
// images or the configuration are to blame for.
func (j *Job) passing(err error) bool {
	_, image := errors.AsType[*ImageError](err)
	_, config := errors.AsType[*ConfigError](err)
	ended, service := errors.AsType[*ServiceError](err)
	if service && j.Again != nil && j.Again(ended) {
		return true
	}
	_, exit := errors.AsType[*ExitError](err)
	_, late := errors.AsType[*LimitError](err)
	return !late && !image && !config && !service && !exit && !errors.Is(err, errRefused)
}
