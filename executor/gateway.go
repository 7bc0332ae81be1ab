package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/client"
)

// Gateway is the address under which containers on the engine's default bridge reach the engine's host.
func (e *Engine) Gateway(ctx context.Context) (string, error) {
	res, err := e.docker.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("look at the engine's default bridge: %w", err)
	}
	for _, c := range res.Network.IPAM.Config {
		if c.Gateway.Is4() {
			return c.Gateway.String(), nil
		}
	}
	return "", errors.New("the engine's default bridge has no IPv4 gateway")
}
