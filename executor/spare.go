package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// The labels of a container that is kept for a job to come. Its name is that of [Spare.Name] and spareSuffix until a job
// takes it: then it gets the name that the job has for it, so that no later process takes it for an unused one. Those of a network
// stay with it from job to job, see networkspare.go.
const (
	LabelSpare       = "lced.spare"        // Spare.Name
	LabelSpareRunner = "lced.spare.runner" // Spare.Runner
	LabelSparePlace  = "lced.spare.place"  // Spare.Place
	LabelSpareForm   = "lced.spare.form"   // Spare.Form
)

const spareSuffix = "-spare"

// Spare is ready before a job needs it: a service, with the network and the temporary volumes that were made for it, a helper, or
// nothing but a network. A job that is to have a service or a network has the same names in its plan.
type Spare struct {
	Name   string // of the plan from which it was started: prefix of the names of all that is its own; or of the network
	Runner string // empty for a network
	Place  string // of jobs that may have it; empty for a network, which any may have
	Form   string // Service.Form, Helper.Form or Network.Form of what it can be
	Helper bool
	Since  time.Time

	engine    *Engine
	container string   // id; empty: a network only
	image     string   // id
	network   string   // empty: none of its own
	volumes   []string // temporary ones
}

// SpareName is the name of the container of a spare, by the name of its plan.
func SpareName(plan string) string { return plan + spareSuffix }

// Network is the name of its network.
func (s *Spare) Network() string { return s.network }

// IsNetwork reports whether it is nothing else.
func (s *Spare) IsNetwork() bool { return s.container == "" }

// StartSpare starts the one service of a plan that has no build container, and waits until it is ready. What was made before
// a failure is removed.
func (e *Engine) StartSpare(ctx context.Context, p *Plan) (*Spare, error) {
	j := e.NewJob(p, func(string, string) Section { return discard{} })
	g, gctx := newGraph(ctx)
	s := &starter{Job: j, graph: g, log: discard{}}
	s.begin(ctx, gctx)
	err := g.group.Wait()
	var spare *Spare
	if err == nil {
		spare, err = e.inspectSpare(ctx, j.state.Containers[len(j.state.Containers)-1])
	}
	if err == nil {
		spare.claim()
		unclaim(j)
		return spare, nil
	}
	j.kill(ctx)
	return nil, errors.Join(err, j.Remove(context.WithoutCancel(ctx)))
}

// Spares lists those that nobody has taken yet, also those of earlier processes. The plans are of jobs that this process goes on
// with.
func (e *Engine) Spares(ctx context.Context, plans []*Plan) ([]*Spare, error) {
	res, err := e.docker.ContainerList(ctx, client.ContainerListOptions{
		Filters: client.Filters{}.Add("label", LabelOwner+"="+e.owner).Add("label", LabelSpare),
	})
	if err != nil {
		return nil, fmt.Errorf("list the containers that are kept for jobs to come: %w", err)
	}
	var spares []*Spare
	for _, c := range res.Items {
		if !slices.Contains(c.Names, "/"+SpareName(c.Labels[LabelSpare])) {
			continue
		}
		if s, err := e.inspectSpare(ctx, c.ID); err == nil { // one that is going away is none
			spares = append(spares, s)
		}
	}
	networks, err := spareNetworks(ctx, e, plans)
	return append(spares, networks...), err
}

func (e *Engine) inspectSpare(ctx context.Context, id string) (*Spare, error) {
	res, err := e.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at container %s, which is kept for a job to come: %w", id, err)
	}
	c := res.Container
	if c.Config == nil || c.State == nil || !c.State.Running || c.NetworkSettings == nil {
		return nil, fmt.Errorf("container %s, which is kept for a job to come, does not run", id)
	}
	labels := c.Config.Labels
	s := &Spare{
		Name: labels[LabelSpare], Runner: labels[LabelSpareRunner], Place: labels[LabelSparePlace], Form: labels[LabelSpareForm],
		Helper: labels[labelType] == typeHelper, engine: e, container: id, image: c.Image,
	}
	s.Since, _ = time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if s.Helper {
		return s, nil
	}
	for name := range c.NetworkSettings.Networks {
		s.network = name
	}
	for _, m := range c.Mounts {
		if strings.HasPrefix(m.Name, s.Name+"-") {
			s.volumes = append(s.volumes, m.Name)
		}
	}
	return s, nil
}

// Remove ends it, with all that is its own. Everything is tried; the errors are joined.
func (s *Spare) Remove(ctx context.Context) error {
	defer s.unclaim()
	ctx, cancel := cleanup(ctx)
	defer cancel()
	var errs []error
	if s.container != "" {
		errs = append(errs, s.engine.containers.remove(ctx, s.container))
	}
	for _, name := range s.volumes {
		errs = append(errs, s.engine.volumes.remove(ctx, name))
	}
	if s.network != "" {
		errs = append(errs, s.engine.networks.remove(ctx, s.network))
	}
	return errors.Join(errs...)
}

// things are the names and ids of all that is its own.
func (s *Spare) things() []string {
	all := append([]string{s.container, s.network}, s.volumes...)
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// claim says that this process knows of it: nobody takes it for a leftover.
func (s *Spare) claim() { s.engine.claims.take(s.things()...) }

func (s *Spare) unclaim() { s.engine.claims.drop(s.things()...) }

// offered is the spare of a job whose start-up has not looked at it yet.
type offered struct {
	spare *Spare
	index int // of the service that it may be; -1 = none, and it only has to go before the service starts
}

func newOffer(spare *Spare, services []Service) *offered {
	if spare == nil {
		return nil
	}
	return &offered{spare, slices.IndexFunc(services, func(svc Service) bool { return svc.Form != "" && svc.Form == spare.Form })}
}

// take decides, once, whether the spare is the service. One that is not is removed.
func (o *offered) take(ctx context.Context, s *starter) (taken bool, err error) {
	if o == nil {
		return false, nil
	}
	if o.index >= 0 {
		image, err := s.images[o.index].get(ctx)
		if err != nil {
			return false, errors.Join(err, o.spare.Remove(ctx))
		}
		svc := &s.plan.Services[o.index]
		if image.ID == o.spare.image && o.spare.become(ctx, svc.Name) {
			own(s.Job, o.spare)
			if svc.Store != nil {
				s.Stores.add(svc.Store.volume(image).Name)
			}
			return true, nil
		}
	}
	return false, o.spare.Remove(ctx)
}

// own makes a spare the job's. Its labels name no job, so only the claim tells that it has one; network and volumes are the plan's.
func own(j *Job, s *Spare) {
	j.track(s.container)
	j.engine.claims.take(s.container)
	dropWithJob(j, s.container)
	s.unclaim()
}

// brings reports whether the network or volume of this name is there already, with the service.
func (o *offered) brings(ctx context.Context, s *starter, name string) (bool, error) {
	if o == nil || o.index < 0 || name != o.spare.network && !slices.Contains(o.spare.volumes, name) {
		return false, nil
	}
	return s.spare.get(ctx)
}

// become gives the container the name that the job has for it; false if it has ended meanwhile.
func (s *Spare) become(ctx context.Context, name string) bool {
	ctx, cancel := steady(ctx)
	defer cancel()
	if _, err := s.engine.docker.ContainerRename(ctx, s.container, client.ContainerRenameOptions{NewName: name}); err != nil {
		return false
	}
	res, err := s.engine.docker.ContainerInspect(ctx, s.container, client.ContainerInspectOptions{})
	return err == nil && res.Container.State != nil && res.Container.State.Running
}
