package runner

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// poller asks GitLab for the jobs of one runner as long as the configuration has it. Its entry is replaced when the
// configuration is read again; its slots, and with them the jobs that run, stay.
type poller struct {
	current    atomic.Pointer[entry]
	taken      map[int]bool // numbers of its slots; of package slots' lock
	introduced sync.Once
	token      sync.Once   // begins to keep it from ending
	renewing   atomic.Bool // GitLab is being asked for another token

	mu    sync.Mutex
	loops int  // how many ask at once
	gone  bool // the configuration does not have it any more
}

// errReplaced is why a wait ends that an entry of an older configuration began.
var errReplaced = errors.New("the configuration was read again")

func newPoller(e *entry) *poller {
	p := &poller{taken: map[int]bool{}}
	p.current.Store(e)
	return p
}

// entry is the one of the present configuration; the last one if that does not have it.
func (p *poller) entry() *entry { return p.current.Load() }

// replace puts a new entry in place, or none. What waits in the name of the old one looks again.
func (p *poller) replace(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.entry()
	if p.gone = e == nil; !p.gone {
		p.current.Store(e)
	}
	close(old.replaced)
}

// succeed puts an entry in place of that one, unless another reading of the configuration was faster.
func (p *poller) succeed(old, e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone && p.entry() == old {
		p.current.Store(e)
		close(old.replaced)
	}
}

// outdated says that the refusal of an entry's token means nothing, as another one is taking its place: GitLab lets the old
// one end before this runner knows the new one.
func (p *poller) outdated(ctx context.Context, e *entry) bool {
	for p.renewing.Load() && p.entry() == e && ctx.Err() == nil {
		e.sleep(ctx, 100*time.Millisecond)
	}
	return p.entry() != e
}

// present is the one of the present configuration, nil if that does not have it.
func (p *poller) present() *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil
	}
	return p.entry()
}

// wanted is how many loops may ask at once. The caller holds the lock.
func (p *poller) wanted() int {
	if p.gone {
		return 0
	}
	return max(1, p.entry().config.RequestConcurrency)
}

// missing counts the loops that are to be started, as started.
func (p *poller) missing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := max(0, p.wanted()-p.loops)
	p.loops += n
	return n
}

// next is the entry with which a loop goes on; nil ends the loop.
func (p *poller) next() *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loops > p.wanted() {
		p.loops--
		return nil
	}
	return p.entry()
}

// same reports whether an entry of a new configuration is this poller's runner: GitLab knows it by its token, the operator
// by its name.
func (p *poller) same(e *entry, byName bool) bool {
	mine, other := p.entry().config, e.config
	if byName {
		return mine.URL == other.URL && mine.Name == other.Name
	}
	return mine.URL == other.URL && mine.Token == other.Token
}
