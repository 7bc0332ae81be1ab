package executor

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// gone says that somebody has ended or removed a container that should run; nil where it runs. The end of a container, as by an engine
// that stops, leaves exit codes in what ran in it too, and refuses what is asked of it in words of which a job's user makes nothing.
func gone(ctx context.Context, docker *client.Client, id string) error {
	res, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return removed(id)
	case err != nil:
		return fmt.Errorf("look whether container %s still runs: %w", id, err)
	case res.Container.State == nil || !res.Container.State.Running:
		return fmt.Errorf("container %s was ended from outside, by `docker kill`, `docker stop` or an engine that stopped", id)
	}
	return nil
}

func removed(id string) error {
	return fmt.Errorf("container %s is gone: it was removed from outside, as by `docker rm`", id)
}
