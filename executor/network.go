package executor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// createNetwork makes the job's own bridge network. The name is unique to the job; one of the same name is a leftover.
func (e *Engine) createNetwork(ctx context.Context, n *Network, labels map[string]string) error {
	opts := client.NetworkCreateOptions{Driver: "bridge", Labels: typed(labels, "network"), Options: map[string]string{}}
	if n.MTU > 0 {
		opts.Options["com.docker.network.driver.mtu"] = strconv.Itoa(n.MTU)
	}
	if n.IPv6 {
		opts.EnableIPv6 = &n.IPv6
	}
	_, err := e.docker.NetworkCreate(ctx, n.Name, opts)
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "address pools"):
		return fmt.Errorf("create the job's network %s: the engine has no free subnet left (%w): remove unused networks with `docker network prune`, or give the engine more default-address-pools", n.Name, err)
	}
	return fmt.Errorf("create the job's network %s: %w", n.Name, err)
}

// removeNetwork removes what is still attached to the network, then the network.
func (e *Engine) removeNetwork(ctx context.Context, name string) error {
	res, err := e.docker.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err == nil {
		for id := range res.Network.Containers {
			_, _ = e.docker.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: id, Force: true})
		}
	}
	if _, err := e.docker.NetworkRemove(ctx, name, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", name, err)
	}
	return nil
}

// addressOn is the container's address on the network, read from the networks map: the top-level field is deprecated.
func addressOn(nets map[string]*network.EndpointSettings, name string) string {
	if ep := nets[name]; ep != nil && ep.IPAddress.IsValid() {
		return ep.IPAddress.String()
	}
	return ""
}
