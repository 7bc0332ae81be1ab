package executor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// networks makes and removes networks.
type networks struct {
	docker *client.Client
	owner  string
	claims *claims
	// freeOne gives up a network that is kept for jobs to come; it may be nil.
	freeOne func(context.Context) (freed bool, err error)
}

// create makes the job's own bridge network. The name is unique to the job. Where the job was begun before, again, one of the same
// name is a leftover: the engine may have made it for a runner that was killed meanwhile, and does not refuse a second one.
func (n networks) create(ctx context.Context, spec *Network, labels map[string]string, again bool) error {
	if spec.Form != "" {
		labels = spec.Labels
	}
	opts := client.NetworkCreateOptions{Driver: "bridge", Labels: typed(labels, "network"), Options: map[string]string{}}
	if spec.MTU > 0 {
		opts.Options[optionMTU] = strconv.Itoa(spec.MTU)
	}
	if spec.IPv6 {
		opts.EnableIPv6 = &spec.IPv6
	}
	n.dialAnew()
	made, err := n.docker.NetworkCreate(ctx, spec.Name, opts)
	switch {
	case err == nil && !again:
		return nil
	case err == nil:
		_ = n.removeNamed(ctx, spec.Name, made.ID) // one that stays shows when a container joins, and the start-up begins again
		return nil
	case strings.Contains(err.Error(), "address pool"): // "pool among the defaults" before engine 26, "pools have been fully subnetted" since
		return fmt.Errorf("create the job's network %s: %w (%w): remove unused networks with `docker network prune`, or give the engine more default-address-pools", spec.Name, errNoSubnet, err)
	}
	return fmt.Errorf("create the job's network %s: %w", spec.Name, err)
}

// errNoSubnet says that all subnets of the engine's address pools are in use; by default there are about 30.
var errNoSubnet = errors.New("the engine has no free subnet left")

// A job that finds no subnet waits for networks of other jobs to end, for as long as a job's removal usually takes many times over.
const (
	subnetPause = 5 * time.Second
	subnetTries = 24
)

// createPatiently makes the job's network. Where the engine's subnets are used up, those that no job of ours needs are freed,
// and the job waits for others to end.
func (n networks) createPatiently(ctx context.Context, spec *Network, labels map[string]string, again bool, log Section) error {
	for try := 1; ; try++ {
		steadily, cancel := steady(ctx)
		err := n.create(steadily, spec, labels, again)
		cancel()
		if !errors.Is(err, errNoSubnet) || try == subnetTries {
			return err
		}
		freed, freeErr := n.freeSubnets(ctx)
		if try == 1 || freed > 0 {
			warn(log, "%v: removed %d unused networks of this runner, and trying again for %v", errNoSubnet, freed, (subnetTries-time.Duration(try))*subnetPause)
		}
		if freed > 0 && freeErr == nil {
			continue
		}
		if err := pause(ctx, subnetPause); err != nil {
			return err
		}
	}
}

// freeSubnets removes the networks with our label on which there is nothing, and that no job needs; where there is none, one of those
// that are kept for jobs to come.
func (n networks) freeSubnets(ctx context.Context) (freed int, err error) {
	list, err := n.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours(n.owner)})
	for _, unused := range list.Items {
		if n.claims.holds(unused.Name) {
			continue
		}
		n.dialAnew()
		// What has endpoints the engine refuses to remove.
		if _, removeErr := n.docker.NetworkRemove(ctx, unused.ID, client.NetworkRemoveOptions{}); removeErr == nil {
			freed++
		}
	}
	if freed > 0 || n.freeOne == nil {
		return freed, err
	}
	gone, oneErr := n.freeOne(ctx)
	if gone {
		freed = 1
	}
	return freed, errors.Join(err, oneErr)
}

// removeNamed removes the networks of a name but for one.
func (n networks) removeNamed(ctx context.Context, name, butFor string) error {
	list, err := n.docker.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("name", name)}) // and those whose names hold it
	if err != nil {
		return fmt.Errorf("list networks called %s: %w", name, err)
	}
	var errs []error
	for _, found := range list.Items {
		if found.Name == name && found.ID != butFor {
			errs = append(errs, n.remove(ctx, found.ID))
		}
	}
	return errors.Join(errs...)
}

// remove removes the network, and what is still attached to it where that keeps it.
func (n networks) remove(ctx context.Context, name string) error {
	_, err := n.docker.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
	switch {
	case err == nil, errdefs.IsNotFound(err):
		return nil
	case strings.Contains(err.Error(), "is ambiguous"):
		return n.removeNamed(ctx, name, "")
	}
	if res, err := n.docker.NetworkInspect(ctx, name, client.NetworkInspectOptions{}); err == nil {
		for _, endpoint := range res.Network.Containers {
			// By its name: an endpoint that a crash of the engine left behind has no container.
			_, _ = n.docker.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: endpoint.Name, Force: true})
		}
	}
	n.dialAnew()
	if _, err := n.docker.NetworkRemove(ctx, name, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", name, err)
	}
	return nil
}

// dialAnew lets the next call open a connection. An engine on its way out takes no new ones, but serves those that it has until
// its very end, and a network that is changed then may be written down half: seen with 20.10, which afterwards crashed at each
// start.
func (n networks) dialAnew() { n.docker.Close() }

// optionMTU is the bridge driver's option for the MTU of a network.
const optionMTU = "com.docker.network.driver.mtu"
