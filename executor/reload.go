package executor

import (
	"context"
	"fmt"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// FollowReloads has the engine's facts learnt anew when it has read its configuration again (SIGHUP, `systemctl reload docker`), as for
// other mirrors or proxies. The engine tells: nothing is asked again and again. It returns with ctx, or with an error from an engine
// that tells nobody.
func FollowReloads(ctx context.Context, e *Engine) error {
	of := client.Filters{}.Add("type", string(events.DaemonEventType)).Add("event", string(events.ActionReload))
	for first := true; ; first = false {
		news := e.docker.Events(ctx, client.EventsListOptions{Filters: of})
		if !first {
			e.learnt.forget() // meanwhile nobody listened
		}
		var err error
		for err == nil {
			select {
			case <-news.Messages:
				e.learnt.forget()
			case err = <-news.Err:
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errdefs.IsPermissionDenied(err), errdefs.IsNotFound(err), errdefs.IsNotImplemented(err):
			return fmt.Errorf("listen to the docker engine at %s: %w", e.host, err)
		case pause(ctx, removePause) != nil:
			return nil
		}
	}
}

// learnt are the facts of an engine, for as long as they may be true.
type learnt struct {
	mu        sync.Mutex
	facts     *Facts // nil: not known
	forgotten int    // how often
}

func (l *learnt) get() (f *Facts, forgotten int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.facts, l.forgotten
}

// forget has the facts learnt anew the next time that they are asked for. Those that are being learnt serve once.
func (l *learnt) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = nil
	l.forgotten++
}

// keep keeps facts, unless what they say may have changed while they were learnt; forgotten is what get told before.
func (l *learnt) keep(f *Facts, forgotten int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forgotten == forgotten {
		l.facts = f
	}
}
