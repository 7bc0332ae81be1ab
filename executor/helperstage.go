package executor

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
)

// stageAttempts bounds how often a stage, or the delivery of a script, begins because its engine went away.
const stageAttempts = 3

// helperStage runs one helper stage. One whose engine goes away, while its containers go on, has lost its input, which ends it, and
// begins again when the engine is back; the stages of one project wait for each other.
func helperStage(ctx context.Context, e *Engine, id string, cmd []string, request []byte, section Section) (code int, err error) {
	out, errw := section.Stream(1), section.Stream(2)
	for attempt := 1; ; attempt++ {
		code, err = e.containers.exec(ctx, id, cmd, append(request[:len(request):len(request)], '\n'), out, errw)
		if err == nil && code != 0 && ctx.Err() == nil {
			err = stillRuns(ctx, e.docker, id, code)
		}
		if err == nil || attempt == stageAttempts || ctx.Err() != nil || !away(err) {
			return code, err
		}
		if err := e.await(ctx); err != nil {
			return -1, err
		}
		warn(section, "The docker engine was away for a moment: this stage begins again")
	}
}

// stillRuns is nil where a stage ended by itself: the end of its container, as by an engine that stops, leaves exit codes too.
func stillRuns(ctx context.Context, docker *client.Client, id string, code int) error {
	res, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("look whether container %s still runs: %w", id, err)
	}
	if res.Container.State == nil || !res.Container.State.Running {
		return fmt.Errorf("container %s was ended from outside (exit code %d), by `docker kill`, `docker stop` or an engine that stopped", id, code)
	}
	return nil
}
