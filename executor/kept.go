package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// Kept is something on the engine that carries our label.
type Kept struct {
	Kind   string // container, network or volume
	Name   string
	State  string // of a container, in the engine's words
	Labels map[string]string
	On     []string // of a container, the names of its networks
}

// Kept lists all that is ours on the engine now, that of running jobs too.
func (s *Stock) Kept(ctx context.Context) ([]Kept, error) {
	e := s.engine
	ours := client.Filters{}.Add("label", LabelOwner+"="+e.owner)
	var kept []Kept
	containers, err := e.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	errs := []error{err}
	for _, c := range containers.Items {
		one := Kept{Kind: "container", Name: strings.TrimPrefix(strings.Join(c.Names, ","), "/"), State: string(c.State), Labels: c.Labels}
		if c.NetworkSettings != nil {
			one.On = slices.Collect(maps.Keys(c.NetworkSettings.Networks))
		}
		kept = append(kept, one)
	}
	networks, err := e.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	errs = append(errs, err)
	for _, n := range networks.Items {
		kept = append(kept, Kept{Kind: "network", Name: n.Name, Labels: n.Labels})
	}
	volumes, err := e.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	errs = append(errs, err)
	for _, v := range volumes.Items {
		kept = append(kept, Kept{Kind: "volume", Name: v.Name, Labels: v.Labels})
	}
	if err := errors.Join(errs...); err != nil {
		return kept, fmt.Errorf("list what is ours on the docker engine at %s: %w", e.host, err)
	}
	return kept, nil
}
