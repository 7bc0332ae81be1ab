package executor

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"
)

// A network that is kept for a job to come cannot be renamed as a container is. What says that a job has it is the job's plan,
// which the caller writes down before Run, and whatever is in it: a process that finds it empty and in no plan may have it.

// takeNetwork makes the network that was kept the job's, unless it is gone by now, which any `docker network prune` may do, or
// something is in it.
func (s *starter) takeNetwork(ctx context.Context) (taken bool) {
	kept := s.Network
	s.Network = nil
	if kept == nil {
		return false
	}
	defer kept.unclaim() // the job has claimed it as its plan's
	res, err := s.engine.docker.NetworkInspect(ctx, kept.network, client.NetworkInspectOptions{})
	return err == nil && len(res.Network.Containers) == 0
}

// passOnNetwork offers the network of a job whose containers are gone to who keeps it for another one.
func passOnNetwork(ctx context.Context, j *Job) (kept bool) {
	n := j.plan.Network
	if j.KeepNetwork == nil || n.Form == "" || !j.passesOn || len(j.Spans) == 0 { // without those the start-up has failed
		return false
	}
	return j.KeepNetwork(ctx, n.Form, func(ctx context.Context) (*Spare, error) {
		s := newNetworkSpare(j.engine, n.Name, n.Form)
		if err := s.mustBeEmpty(ctx); err != nil {
			return nil, err
		}
		s.claim()
		return s, nil
	})
}

func newNetworkSpare(e *Engine, name, form string) *Spare {
	return &Spare{Name: name, Form: form, Since: time.Now(), engine: e, network: name}
}

// mustBeEmpty is an error where any container has the network, also one that does not run: it may be about to be restarted.
func (s *Spare) mustBeEmpty(ctx context.Context) error {
	list, err := s.engine.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("network", s.network)})
	switch {
	case err != nil:
		return fmt.Errorf("look for containers on network %s: %w", s.network, err)
	case len(list.Items) > 0:
		return fmt.Errorf("there are %d containers on network %s, as %v", len(list.Items), s.network, list.Items[0].Names)
	}
	return nil
}

// spareNetworks lists the networks that were kept for jobs to come, and that nobody has. Of two of one name, of which the engine
// made one for a process that was killed meanwhile, there is none.
func spareNetworks(ctx context.Context, e *Engine, plans []*Plan) ([]*Spare, error) {
	list, err := e.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours(e.owner).Add("label", LabelSpare)})
	if err != nil {
		return nil, fmt.Errorf("list the networks that are kept for jobs to come: %w", err)
	}
	named := map[string]int{}
	for _, n := range list.Items {
		named[n.Name]++
	}
	var spares []*Spare
	for _, n := range list.Items {
		s := newNetworkSpare(e, n.Name, n.Labels[LabelSpareForm])
		if named[n.Name] == 1 && !belongs(n.Name, plans) && !e.claims.holds(n.Name) && s.mustBeEmpty(ctx) == nil {
			spares = append(spares, s)
		}
	}
	return spares, nil
}
