package executor

import "sync"

// claims counts who in this process needs things of the engine, by name or id. What is claimed is neither an orphan nor
// idle, whatever the engine says of it.
type claims struct {
	onUse func(Use) // nil: nobody wants to know

	mu    sync.Mutex
	count map[string]int
}

func (c *claims) take(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	for _, name := range names {
		c.count[name]++
	}
}

func (c *claims) drop(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if c.count[name]--; c.count[name] <= 0 {
			delete(c.count, name)
		}
	}
}

func (c *claims) holds(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[name] > 0
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
