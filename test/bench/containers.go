package main

import (
	"context"
	"errors"
	"sync"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// counts is how many containers were created and started, by the id of the runner's job or the floor's case.
type counts struct {
	id      string
	mu      sync.Mutex
	created map[string]int
	started map[string]int
	settled chan struct{}
	stop    func()
}

// sentinel is the case of the container that is made last: when it is seen, all before it were.
const sentinel = "end"

// countContainers follows the engine's events. id is the runner's system id and the floor's run.
func countContainers(ctx context.Context, docker *client.Client, id string) *counts {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &counts{id: id, created: map[string]int{}, started: map[string]int{}, settled: make(chan struct{})}
	res := docker.Events(ctx, client.EventsListOptions{Filters: client.Filters{}.Add("type", "container").Add("event", "create", "start")})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-res.Messages:
				switch id {
				case m.Actor.Attributes[runLabel]:
					c.note(string(m.Action), m.Actor.Attributes[caseLabel])
				case m.Actor.Attributes["lced.runner"]:
					c.note(string(m.Action), m.Actor.Attributes["com.gitlab.gitlab-runner.job.id"])
				}
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

func (c *counts) note(action, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case key == sentinel:
		close(c.settled)
	case action == "create":
		c.created[key]++
	default:
		c.started[key]++
	}
}

// settle waits until every event so far was counted.
func (c *counts) settle(ctx context.Context, docker *client.Client) error {
	last, err := docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: "busybox:latest", Labels: map[string]string{runLabel: c.id, caseLabel: sentinel}},
	})
	if err != nil {
		return err
	}
	<-c.settled
	_, err = docker.ContainerRemove(ctx, last.ID, client.ContainerRemoveOptions{})
	return err
}

// of sums the counts of some keys.
func (c *counts) of(keys ...string) (created, started int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		created, started = created+c.created[key], started+c.started[key]
	}
	return created, started
}
