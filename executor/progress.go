package executor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
)

// A pull has stalled when nothing at all has happened for this long. The engine itself waits for ever on a link that went
// dead without a word. What it unpacks, or syncs to slow flash, it may be silent about for minutes.
const (
	pullStalled   = 2 * time.Minute
	unpackStalled = 10 * time.Minute
)

// progress watches a pull and ends its context when nothing moves any more.
type progress struct {
	patience patience
	cancel   context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	layer map[string]string // what was last heard of each layer; the same once more is no progress
	wire  map[string]bool   // the layers that are on their way from the registry
	last  string            // what moved last
}

// watchProgress begins with a registry that has not been heard of.
func watchProgress(ctx context.Context, limits patience) (context.Context, *progress) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &progress{patience: limits, cancel: cancel, layer: map[string]string{}, wire: map[string]bool{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expect(limits.download)
	return ctx, p
}

// expect wants news within limit. The caller holds the lock.
func (p *progress) expect(limit time.Duration) {
	if p.timer != nil {
		p.timer.Stop()
	}
	last := "nothing was heard from the registry"
	if p.last != "" {
		last = "the last that was heard is " + p.last
	}
	p.timer = time.AfterFunc(limit, func() {
		p.cancel(&ImageError{Kind: ImageUnreachable, Err: fmt.Errorf("the pull has stalled: no progress for %v, %s", limit, last)})
	})
}

// note takes a message of the engine. Engines with the containerd image store send the same numbers again and again while
// nothing moves.
func (p *progress) note(m jsonstream.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := m.Status
	if m.Progress != nil {
		state = fmt.Sprintf("%s %d of %d bytes", m.Status, m.Progress.Current, m.Progress.Total)
	}
	if p.layer[m.ID] == state {
		return
	}
	p.layer[m.ID] = state
	p.last = fmt.Sprintf("%q", strings.TrimSpace(m.ID+" "+state))
	if delete(p.wire, m.ID); m.Status == "Downloading" || m.Status == "Pulling fs layer" || strings.HasPrefix(m.Status, "Retrying") {
		p.wire[m.ID] = true
	}
	if len(p.wire) > 0 {
		p.expect(p.patience.download)
	} else {
		p.expect(p.patience.unpack)
	}
}

func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.cancel(nil)
}
