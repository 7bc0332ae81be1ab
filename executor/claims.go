package executor

import "sync"

// claims counts who in this process needs things of the engine, by name or id. What is claimed is neither an orphan nor
// idle, whatever the engine says of it.
type claims struct {
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
