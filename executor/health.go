package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
)

const (
	// defaultInterval is the engine's time to a first health check where the image names none.
	defaultInterval = 30 * time.Second
	// startIntervalAPI is the first API version with a shorter interval for the start (Docker 25).
	startIntervalAPI = "1.44"
)

// startCheck has an engine that can look every second whether a service is healthy, until it is or the wait is over;
// from then on, the image's own interval counts, so nothing is run all job long.
func startCheck(api string, wait time.Duration) *container.HealthConfig {
	if wait <= 0 || versions.LessThan(api, startIntervalAPI) {
		return nil
	}
	return &container.HealthConfig{StartPeriod: wait, StartInterval: time.Second}
}

// checked reports whether the engine will say within wait that the container is healthy. An older engine first looks after
// the image's interval; where that is too long, the service's ports have to tell.
func checked(c *container.Config, wait time.Duration) bool {
	h := c.Healthcheck
	if h == nil || len(h.Test) == 0 || h.Test[0] == "NONE" {
		return false
	}
	first := h.Interval
	if h.StartInterval > 0 {
		first = h.StartInterval
	} else if first == 0 {
		first = defaultInterval
	}
	return first < wait
}

// awaitHealth waits until the engine says that a service with a health check is healthy. One that is not is a warning.
func (s *starter) awaitHealth(ctx context.Context, svc *Service, up *future[string]) error {
	id, err := up.get(ctx)
	if err != nil {
		return err
	}
	docker := s.engine.docker
	res, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect service container %s: %w", id, err)
	}
	if res.Container.Config == nil || !checked(res.Container.Config, svc.Ready.Timeout) {
		return nil
	}
	defer s.graph.span("service healthy", svc.Title)()
	s.log.Plain("Waiting for service %s to be healthy (timeout %d seconds)...", svc.Title, int(svc.Ready.Timeout.Seconds()))
	errTimeout := fmt.Errorf("service %q is not healthy after %v", svc.Title, svc.Ready.Timeout)
	wait, cancel := context.WithTimeoutCause(ctx, svc.Ready.Timeout, errTimeout)
	defer cancel()
	err = health(wait, docker, id)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.warnService(ctx, svc.Title, id, fmt.Sprintf("service %q: %v%s", svc.Title, err, lastCheck(ctx, docker, id)))
	}
	return nil
}

// health returns nil once the container is healthy. The engine tells: nothing is asked again and again.
func health(ctx context.Context, docker *client.Client, id string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errors.New("the service's health is known"))
	of := client.Filters{}.Add("container", id).Add("event", "health_status", "die")
	// Asked for before the inspection, so that no change is missed.
	news := docker.Events(ctx, client.EventsListOptions{Filters: of})
	res, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case err != nil:
		return fmt.Errorf("look at its health: %w", err)
	case res.Container.State == nil || !res.Container.State.Running:
		return errors.New("it has ended")
	case res.Container.State.Health != nil && res.Container.State.Health.Status == container.Healthy:
		return nil
	}
	for {
		select {
		case m := <-news.Messages:
			switch m.Action {
			case events.ActionHealthStatusHealthy:
				return nil
			case events.ActionHealthStatusUnhealthy:
				return errors.New("the engine says that it is unhealthy")
			case events.ActionDie:
				return errors.New("it has ended")
			}
		case err := <-news.Err:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("follow the engine's events: %w", err)
		}
	}
}

// lastCheck is what the last health check of a container said.
func lastCheck(ctx context.Context, docker *client.Client, id string) string {
	res, err := docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil || res.Container.State == nil || res.Container.State.Health == nil || len(res.Container.State.Health.Log) == 0 {
		return ""
	}
	log := res.Container.State.Health.Log
	last := log[len(log)-1]
	return fmt.Sprintf("; its health check ended with exit code %d and said:\n%s", last.ExitCode, last.Output)
}
