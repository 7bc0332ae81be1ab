package executor

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// freeName makes way for a container of a job, of which no other has the name. A process that was killed may have asked for the
// one that has it: a slow engine makes that only after the next process has looked for leftovers, and until then has but the name.
func freeName(ctx context.Context, s containers, name string) error {
	found, err := s.docker.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return pause(ctx, removePause)
	case err != nil:
		return fmt.Errorf("look at container %s, which is in the way: %w", name, err)
	case found.Container.Config == nil || found.Container.Config.Labels[LabelOwner] != s.owner:
		return fmt.Errorf("container %s is in the way and not this runner's", name)
	}
	if err := s.remove(ctx, found.Container.ID); err != nil {
		return err
	}
	return pause(ctx, removePause) // it may only be on its way out
}
