package main

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// containers counts what is created and started while a subject is measured.
type containers struct {
	docker *client.Client
	stop   func()

	mu       sync.Mutex
	created  int
	started  int
	sentinel string // name of the container that is made last
	settled  chan struct{}
}

func countContainers(ctx context.Context, docker *client.Client) *containers {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &containers{docker: docker}
	res := docker.Events(ctx, client.EventsListOptions{Filters: client.Filters{}.Add("type", "container").Add("event", "create", "start")})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-res.Messages:
				c.note(m)
			case <-res.Err:
				return
			}
		}
	}()
	c.stop = func() {
		cancel(errors.New("the benchmark has ended"))
		<-done
	}
	return c
}

func (c *containers) note(m events.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.sentinel != "" && m.Actor.Attributes["name"] == c.sentinel:
		close(c.settled)
		c.sentinel = ""
	case m.Action == events.ActionCreate:
		c.created++
	default:
		c.started++
	}
}

// take waits until every event so far was counted, and starts again from nothing. Only one subject works at a time, so all
// containers are its.
func (c *containers) take(ctx context.Context) (created, started int, err error) {
	name := "lced-bench-" + rand.Text()
	settled := make(chan struct{})
	c.mu.Lock()
	c.sentinel, c.settled = name, settled
	c.mu.Unlock()
	last, err := c.docker.ContainerCreate(ctx, client.ContainerCreateOptions{Name: name, Config: &container.Config{Image: "busybox:latest"}})
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-settled:
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
	if _, err := c.docker.ContainerRemove(ctx, last.ID, client.ContainerRemoveOptions{}); err != nil {
		return 0, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	created, started = c.created, c.started
	c.created, c.started = 0, 0
	return created, started, nil
}
