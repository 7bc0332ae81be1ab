package executor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// networks makes and removes networks.
type networks struct{ docker *client.Client }

// create makes the job's own bridge network. The name is unique to the job; one of the same name is a leftover.
func (n networks) create(ctx context.Context, spec *Network, labels map[string]string) error {
	opts := client.NetworkCreateOptions{Driver: "bridge", Labels: typed(labels, "network"), Options: map[string]string{}}
	if spec.MTU > 0 {
		opts.Options["com.docker.network.driver.mtu"] = strconv.Itoa(spec.MTU)
	}
	if spec.IPv6 {
		opts.EnableIPv6 = &spec.IPv6
	}
	_, err := n.docker.NetworkCreate(ctx, spec.Name, opts)
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "address pool"): // "pool among the defaults" before engine 26, "pools have been fully subnetted" since
		return fmt.Errorf("create the job's network %s: the engine has no free subnet left (%w): remove unused networks with `docker network prune`, or give the engine more default-address-pools", spec.Name, err)
	}
	return fmt.Errorf("create the job's network %s: %w", spec.Name, err)
}

// remove removes what is still attached to the network, then the network.
func (n networks) remove(ctx context.Context, name string) error {
	res, err := n.docker.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err == nil {
		for id := range res.Network.Containers {
			_, _ = n.docker.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: id, Force: true})
		}
	}
	if _, err := n.docker.NetworkRemove(ctx, name, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", name, err)
	}
	return nil
}
