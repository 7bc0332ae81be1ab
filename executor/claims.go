package executor

import (
	"context"
	"errors"
	"sync"
)

// claims counts who in this process needs things of the engine, by name or id. What is claimed is neither an orphan nor
// idle, whatever the engine says of it. Engines of one process share the count: two of them may be one, by two addresses.
type claims struct {
	onUse func(Use) // nil: nobody wants to know
	*counts
}

type counts struct {
	mu       sync.Mutex
	count    map[string]int
	going    map[string]chan struct{} // what is being removed; closed when that is over
	removals int                      // begun so far
}

func (c *counts) take(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	for _, name := range names {
		c.count[name]++
	}
}

func (c *counts) drop(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if c.count[name]--; c.count[name] <= 0 {
			delete(c.count, name)
		}
	}
}

func (c *counts) holds(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[name] > 0
}

// errClaimed says that something of this process needs what was to be removed.
var errClaimed = errors.New("a job of this runner needs it")

// remove removes a thing that stays, unless it is claimed. Who claims it meanwhile has to [counts.settle] before it is used.
func (c *counts) remove(name string, do func() error) error {
	c.mu.Lock()
	if c.count[name] > 0 || c.going[name] != nil {
		c.mu.Unlock()
		return errClaimed
	}
	if c.going == nil {
		c.going = map[string]chan struct{}{}
	}
	over := make(chan struct{})
	c.going[name] = over
	c.removals++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.going, name)
		close(over)
	}()
	return do()
}

// settle waits for the end of a removal that had begun before the thing was claimed. Others cannot begin.
func (c *counts) settle(ctx context.Context, name string) error {
	c.mu.Lock()
	over := c.going[name]
	c.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// removed is how many removals have begun so far.
func (c *counts) removed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removals
}

// use takes a thing that stays on the engine, and tells of it.
func (c *claims) use(u Use) {
	c.take(u.Image + u.Volume)
	if c.onUse != nil {
		c.onUse(u)
	}
}

// claimForJob claims something for as long as the job.
func claimForJob(j *Job, u Use) {
	j.engine.claims.use(u)
	dropWithJob(j, u.Image+u.Volume)
}

// dropWithJob gives back with the job what was claimed for it.
func dropWithJob(j *Job, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.held = append(j.held, name)
}
