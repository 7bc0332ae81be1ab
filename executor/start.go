package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// starter brings one job up to the point where its script can run.
type starter struct {
	*Job
	graph *graph
	log   Section // prepare_executor

	spare    *future[bool] // whether the spare that was offered is one of the services
	network  *future[none]
	volumes  *future[none]
	helper   *future[none]       // nil: the job needs none
	images   []*future[resolved] // of the services, in the plan's order
	services []*future[string]   // container ids, in the plan's order
	offer    *offered            // what spare decides about
	aliens   sync.Map            // container id → why an image for another platform does not run
}

type none struct{}

// start begins everything at once that does not wait for something else:
//
//	network, volumes, pulls ─┬─ helper up ─► tasks (sources, cache, artifacts) ─┐
//	                         ├─ services up ─► ready ───────────────────────────┼─► the first step
//	                         └─ build container created, its shell waiting ─────┘
//
// job is the context of the whole job, which bounds the streams that stay open; cancel ends a start-up that the user
// cancelled. begun is when the preparation began, in its first attempt.
func (j *Job) start(job, cancel context.Context, begun time.Time) error {
	p := j.plan
	s := &starter{Job: j, log: j.log("prepare_executor", `Preparing the "docker" executor`)}
	s.log.Plain("Using Docker executor with image %s ...", p.Build.Image.Ref)
	for _, note := range p.Notes {
		s.log.Plain("%s", note)
	}
	either, end := context.WithCancelCause(job)
	defer end(nil)
	defer context.AfterFunc(cancel, func() { end(context.Cause(cancel)) })()
	g, ctx := newGraph(either)
	s.graph = g

	parts := s.begin(job, ctx)
	if p.Helper != nil {
		s.helper = do(ctx, g, s.helperUp)
	}
	parts = append(parts, do(ctx, g, s.awaitPorts), do(ctx, g, func(ctx context.Context) error { return s.build(job, ctx) }))
	do(ctx, g, func(ctx context.Context) error {
		defer s.log.Close()
		return all(ctx, parts)
	})
	needed := parts
	if p.Helper != nil {
		needed = append(needed, s.helper)
		do(ctx, g, s.before)
	}
	do(ctx, g, func(ctx context.Context) error { return inTime(ctx, p.PrepareTimeout, begun, needed) })
	if err := g.group.Wait(); err != nil {
		return err
	}
	j.breakdown, j.Spans = g.breakdown(), g.spans
	return nil
}

// begin starts what does not depend on the build container: network, volumes and services. It returns the nodes that have to
// end well before a script can run.
func (s *starter) begin(job, ctx context.Context) (parts []*future[none]) {
	g := s.graph
	runs := make([]*serviceRun, len(s.plan.Services))
	s.state.Services = make([]string, len(runs))
	for i := range runs {
		runs[i] = &serviceRun{starter: s, index: i, svc: &s.plan.Services[i]}
		s.images = append(s.images, node(g, func() (resolved, error) { return runs[i].resolve(ctx) }))
	}
	s.offer, s.Spare = newOffer(s.Spare, s.plan.Services), nil
	s.spare = node(g, func() (bool, error) { return s.offer.take(ctx, s) })
	s.network, s.volumes = do(ctx, g, s.createNetwork), do(ctx, g, s.createVolumes)
	parts = []*future[none]{s.network, s.volumes}
	for _, run := range runs {
		up := node(g, func() (string, error) { return run.up(job, ctx) })
		s.services = append(s.services, up)
		if run.svc.Ready.Must {
			parts = append(parts, do(ctx, g, func(ctx context.Context) error { return run.await(ctx, up) }))
		}
		if run.svc.Ready.Ports && run.svc.Ready.Timeout > 0 {
			parts = append(parts, do(ctx, g, func(ctx context.Context) error { return s.awaitHealth(ctx, run.svc, up) }))
		}
	}
	return parts
}

// do is a node without a value.
func do(ctx context.Context, g *graph, f func(context.Context) error) *future[none] {
	return node(g, func() (none, error) { return none{}, f(ctx) })
}

// all waits for every future.
func all(ctx context.Context, futures []*future[none]) error {
	for _, f := range futures {
		if _, err := f.get(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *starter) createNetwork(ctx context.Context) error {
	if s.plan.Network == nil {
		return nil
	}
	if brought, err := s.offer.brings(ctx, s, s.plan.Network.Name); brought || err != nil {
		return err
	}
	defer s.graph.span("network")()
	offered, again := s.Network != nil, s.resumed != nil || s.retried
	s.passesOn = !again && (s.offer == nil || s.offer.index < 0) // that of a sidecar ends with it
	if s.takeNetwork(ctx) {
		return nil
	} else if offered {
		_ = s.engine.networks.remove(ctx, s.plan.Network.Name) // one that stays shows below
	}
	return s.engine.networks.createPatiently(ctx, s.plan.Network, s.plan.Labels, offered || again, s.log)
}

// createVolumes creates the job's volumes and fills those that have files.
func (s *starter) createVolumes(ctx context.Context) error {
	defer s.graph.span("volumes")()
	ctx, cancel := steady(ctx)
	defer cancel()
	var create errgroup.Group
	var filled []Volume
	for _, v := range s.plan.Volumes {
		if brought, err := s.offer.brings(ctx, s, v.Name); err != nil {
			return errors.Join(err, create.Wait())
		} else if brought {
			continue
		}
		create.Go(func() error {
			if err := s.engine.claims.settle(ctx, v.Name); err != nil {
				return err
			}
			return s.engine.volumes.create(ctx, v, s.plan.Labels)
		})
		if len(v.Files) > 0 {
			filled = append(filled, v)
		}
	}
	if err := create.Wait(); err != nil {
		return err
	}
	return s.engine.volumes.fill(ctx, s.plan.Name+"-fill", s.plan.OwnImage, filled, s.plan.Labels)
}

// openVolumes lets the user of the build container write to its volumes. Only root may to a fresh one, so for root
// there is nothing to do, and the job is spared a container.
func (s *starter) openVolumes(ctx context.Context, user string) error {
	if isRoot(user) {
		return nil
	}
	open := slices.DeleteFunc(slices.Clone(s.plan.Volumes), func(v Volume) bool { return !v.Open })
	ctx, cancel := steady(ctx)
	defer cancel()
	return s.engine.volumes.fill(ctx, s.plan.Name+"-open", s.plan.OwnImage, open, s.plan.Labels)
}

// build creates the build container and, where its entrypoint allows, starts it with its shell waiting for the script.
func (s *starter) build(job, ctx context.Context) error {
	b := &s.plan.Build
	done := s.graph.span("image")
	image, err := ensure(ctx, s, b.Image)
	if err != nil {
		return err
	}
	done()
	alien := s.warnForeign(b.Image, image)
	if err := all(ctx, []*future[none]{s.network, s.volumes}); err != nil {
		return err
	}
	c := b.Container
	c.Cmd = []string{"sh", "-c", shellDetection}
	if err := s.openVolumes(ctx, cmp.Or(c.User, image.User)); err != nil {
		return err
	}
	hosts, err := s.serviceHosts(ctx)
	if err != nil {
		return err
	}
	c.Options.ExtraHosts = append(slices.Clone(c.Options.ExtraHosts), hosts...)
	if c.Options.MACAddress != "" && !knowsMAC(s.engine.docker) {
		warn(s.log, "mac_address of [runners.docker] has no effect: the docker engine is older than 25.0")
	}
	if s.helper != nil {
		// The engine starts two containers no faster at once than one after the other, and the sources wait for this one.
		if _, err := s.helper.get(ctx); err != nil {
			return err
		}
	}
	defer s.graph.span("build container")()
	id, err := s.create(ctx, &c, image.Create, true, typed(s.plan.Labels, "build"))
	if err != nil {
		return err
	}
	s.imageUser = image.User
	s.state.Build = id
	s.shell = s.newShell(id)
	s.shell.alien = alien
	if ctx.Err() != nil || !early(b, image) {
		return context.Cause(ctx)
	}
	return s.shell.arm(job)
}

// ensure makes sure of an image, and that it stays as long as the job.
func ensure(ctx context.Context, s *starter, img Image) (resolved, error) {
	for claimed := ""; ; {
		before := s.engine.claims.removed()
		r, err := s.engine.images.resolve(ctx, img, s.log)
		if err != nil || r.ID == claimed {
			return r, err
		}
		claimForJob(s.Job, Use{Image: r.ID, Ref: img.Ref, Pulled: r.Pulled})
		if s.engine.claims.removed() == before {
			return r, nil
		}
		// It may be what the janitor was removing before it was claimed.
		claimed = r.ID
		if err := s.engine.claims.settle(ctx, r.ID); err != nil {
			return r, err
		}
	}
}

// create makes a container of the job, to its end even if the job is cancelled meanwhile, and remembers it for removal.
func (s *starter) create(ctx context.Context, c *Container, image string, interactive bool, labels map[string]string) (string, error) {
	ctx, cancel := steady(ctx)
	defer cancel()
	id, err := s.engine.containers.create(ctx, c, image, interactive, labels)
	switch {
	case id != "":
		s.track(id)
	case away(err):
		s.track(c.Name) // the engine may have made it, and only the answer was lost
	}
	return id, err
}

// serviceHosts are the entries of the hosts file for services that the build container may not find by name.
func (s *starter) serviceHosts(ctx context.Context) ([]string, error) {
	var hosts []string
	for i, up := range s.services {
		svc := &s.plan.Services[i]
		if len(svc.HostAliases) == 0 {
			continue
		}
		id, err := up.get(ctx)
		if err != nil {
			return nil, err
		}
		address, err := s.engine.containers.address(ctx, id, networkOf(&svc.Container))
		if err != nil {
			return nil, err
		}
		if address == "" {
			continue // it has ended; whether that matters is for who waits for it
		}
		for _, alias := range svc.HostAliases {
			hosts = append(hosts, alias+":"+address)
		}
	}
	return hosts, nil
}

// early reports whether the build container may start before sources and services are ready.
func early(b *Build, image resolved) bool {
	entrypoint := b.Entrypoint
	if entrypoint == nil {
		entrypoint = image.Entrypoint
	}
	if len(entrypoint) == 0 || len(entrypoint) == 1 && entrypoint[0] == "" {
		return true
	}
	return len(entrypoint) == 1 && slices.Contains(b.EarlyEntrypoints, entrypoint[0])
}

// inTime fails the start-up when what it needs is not up within the limit.
func inTime(ctx context.Context, limit time.Duration, begun time.Time, needed []*future[none]) error {
	if limit <= 0 {
		return nil
	}
	ctx, cancel := context.WithDeadlineCause(ctx, begun.Add(limit), &LimitError{Part: "the preparation of the job", Limit: limit})
	defer cancel()
	return all(ctx, needed)
}

// before runs the tasks that come before the user's steps, in order.
func (s *starter) before(ctx context.Context) error {
	if _, err := s.helper.get(ctx); err != nil {
		return err
	}
	for _, t := range s.plan.Before {
		done := s.graph.span(t.Section)
		if err := s.task(ctx, t, false); err != nil {
			return err
		}
		done()
	}
	return nil
}

func (s *starter) helperUp(ctx context.Context) error {
	if _, err := s.volumes.get(ctx); err != nil {
		return err
	}
	defer s.graph.span("helper")()
	s.log.Plain("Using helper image: %s", s.plan.OwnImage)
	if s.takeHelper(ctx) {
		s.log.Plain("The helper was started for an earlier job of this project")
		return nil
	}
	c := s.plan.Helper.Container
	c.Unchecked = true
	labels := typed(s.plan.Labels, typeHelper)
	if s.plan.Helper.Form != "" {
		labels = typed(nil, typeHelper)
	}
	id, err := s.create(ctx, &c, s.plan.OwnImage, false, labels)
	if err == nil {
		s.state.Helper = id
		err = s.engine.containers.start(ctx, id, s.plan.Helper.Name)
	}
	if err != nil {
		return fmt.Errorf("start the helper container: %w", err)
	}
	return nil
}
