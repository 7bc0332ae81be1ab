package executor

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// start brings the job up to the point where its script can run. Everything that does not wait for something else begins
// at once:
//
//	network, volumes, pulls ─┬─ helper up ─► tasks (sources, cache, artifacts) ─┐
//	                         ├─ services up ─► ready ───────────────────────────┼─► the first step
//	                         └─ build container created, its shell waiting ─────┘
//
// ctx is the job's; cancel ends a start-up that the user cancelled.
func (j *Job) start(ctx, cancel context.Context) error {
	p := j.plan
	log := j.log("prepare_executor", `Preparing the "docker" executor`)
	log.Plain("Using Docker executor with image %s ...", p.Build.Image.Ref)
	for _, note := range p.Notes {
		log.Plain("%s", note)
	}
	either, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(cancel, func() { end(context.Cause(cancel)) })()
	g := newGraph(either)

	network := node(g, func(ctx context.Context) (none, error) { return none{}, j.network(ctx, g) })
	volumes := node(g, func(ctx context.Context) (none, error) { return none{}, j.volumes(ctx, g) })
	var services []*future[string]
	var ready []*future[none]
	for i := range p.Services {
		s := &p.Services[i]
		up := node(g, func(ctx context.Context) (string, error) { return j.service(ctx, g, s, log, network, volumes) })
		services = append(services, up)
		if s.Ready.Command != nil || s.Ready.LogLine != "" {
			ready = append(ready, node(g, func(ctx context.Context) (none, error) { return none{}, j.awaitService(ctx, g, s, up) }))
		}
	}
	ready = append(ready, node(g, func(ctx context.Context) (none, error) { return none{}, j.awaitPorts(ctx, g, log, services) }))
	build := node(g, func(bctx context.Context) (none, error) {
		return none{}, j.build(ctx, bctx, g, log, network, volumes, services)
	})
	node(g, func(ctx context.Context) (none, error) {
		defer log.Close()
		return none{}, all(ctx, append(ready, network, volumes, build))
	})
	if p.Helper != nil {
		helper := node(g, func(ctx context.Context) (none, error) { return none{}, j.helperUp(ctx, g, log, volumes) })
		node(g, func(ctx context.Context) (none, error) { return none{}, j.before(ctx, g, helper) })
	}
	if err := g.group.Wait(); err != nil {
		return err
	}
	j.breakdown = g.breakdown()
	return nil
}

type none struct{}

// all waits for every future.
func all(ctx context.Context, futures []*future[none]) error {
	for _, f := range futures {
		if _, err := f.get(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (j *Job) network(ctx context.Context, g *graph) error {
	if j.plan.Network == nil {
		return nil
	}
	defer g.span("network")()
	ctx, cancel := steady(ctx)
	defer cancel()
	return j.engine.createNetwork(ctx, j.plan.Network, j.plan.Labels)
}

// volumes creates the job's volumes and fills those that have files.
func (j *Job) volumes(ctx context.Context, g *graph) error {
	defer g.span("volumes")()
	ctx, cancel := steady(ctx)
	defer cancel()
	var create errgroup.Group
	var filled []Volume
	for _, v := range j.plan.Volumes {
		create.Go(func() error { return j.engine.createVolume(ctx, v, j.plan.Labels) })
		if len(v.Files) > 0 || v.Open {
			filled = append(filled, v)
		}
	}
	if err := create.Wait(); err != nil {
		return err
	}
	return j.engine.fill(ctx, j.plan.Name+"-fill", j.plan.OwnImage, filled, j.plan.Labels)
}

// build creates the build container and, where its entrypoint allows, starts it with its shell waiting for the script.
// job is the context of the whole job, which bounds the attached streams; ctx only that of the start-up.
func (j *Job) build(job, ctx context.Context, g *graph, log Section, network, volumes *future[none], services []*future[string]) error {
	b := &j.plan.Build
	done := g.span("image")
	image, err := j.engine.resolve(ctx, b.Image, log)
	if err != nil {
		return err
	}
	done()
	if err := all(ctx, []*future[none]{network, volumes}); err != nil {
		return err
	}
	c := b.Container
	c.Cmd = []string{"sh", "-c", shellDetection}
	c.Options.ExtraHosts = slices.Clone(c.Options.ExtraHosts)
	for i, up := range services {
		if alias := j.plan.Services[i].HostAlias; alias != "" {
			id, err := up.get(ctx)
			if err != nil {
				return err
			}
			address, err := j.engine.address(ctx, id, j.plan.Services[i].Networks)
			if err != nil {
				return err
			}
			c.Options.ExtraHosts = append(c.Options.ExtraHosts, alias+":"+address)
		}
	}
	defer g.span("build container")()
	sctx, cancel := steady(ctx)
	defer cancel()
	id, err := j.engine.create(sctx, &c, image.Create, true, typed(j.plan.Labels, "build"))
	if id != "" {
		j.track(id)
	}
	if err != nil {
		return err
	}
	j.shell = &shell{engine: j.engine, id: id, name: c.Name, nonce: j.nonce}
	if ctx.Err() != nil || !early(b, image) {
		return context.Cause(ctx)
	}
	return j.shell.arm(job)
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

// helperUp creates and starts the helper container.
func (j *Job) helperUp(ctx context.Context, g *graph, log Section, volumes *future[none]) error {
	if _, err := volumes.get(ctx); err != nil {
		return err
	}
	defer g.span("helper")()
	log.Plain("Using helper image: %s", j.plan.OwnImage)
	ctx, cancel := steady(ctx)
	defer cancel()
	h := &j.plan.Helper.Container
	id, err := j.engine.create(ctx, h, j.plan.OwnImage, false, typed(j.plan.Labels, "predefined"))
	if id != "" {
		j.track(id)
	}
	if err != nil {
		return err
	}
	if err := j.engine.start(ctx, id, h.Name); err != nil {
		return fmt.Errorf("start the helper container: %w", err)
	}
	j.helper = id
	return nil
}

// before runs the tasks that come before the user's steps, in order.
func (j *Job) before(ctx context.Context, g *graph, helper *future[none]) error {
	if _, err := helper.get(ctx); err != nil {
		return err
	}
	for _, t := range j.plan.Before {
		done := g.span(t.Section)
		if err := j.task(ctx, t); err != nil {
			return err
		}
		done()
	}
	return nil
}
