package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// graph runs a start-up: every node begins at once and waits only for the nodes whose value it asks for. The first
// failure cancels the rest with itself as the cause.
type graph struct {
	group *errgroup.Group
	begun time.Time

	mu    sync.Mutex
	spans []Span
}

// newGraph also returns the context for its nodes.
func newGraph(ctx context.Context) (*graph, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &graph{group: group, begun: time.Now()}, ctx
}

// future is the value of a node.
type future[T any] struct {
	done  chan struct{}
	value T
}

// node starts run. Its error is the graph's.
func node[T any](g *graph, run func() (T, error)) *future[T] {
	f := &future[T]{done: make(chan struct{})}
	g.group.Go(func() error {
		v, err := run()
		if err == nil {
			f.value = v
			close(f.done)
		}
		return err
	})
	return f
}

// get waits for the value. Its error is the cause for which the graph was cancelled.
func (f *future[T]) get(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.value, nil
	default:
	}
	select {
	case <-f.done:
		return f.value, nil
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// Span is how long a part of a start-up took. The parts overlap.
type Span struct {
	Part string // image, helper, service ready, or a section of the log; "total" is the whole
	Of   string // which one, where there are several; may be empty
	Took time.Duration
}

// span measures one part of the start-up, for the breakdown in the job log.
func (g *graph) span(part string, of ...string) func() {
	begun := time.Now()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.spans = append(g.spans, Span{part, strings.Join(of, " "), time.Since(begun)})
	}
}

// breakdown is the line that tells where the start-up's time went. The parts overlap.
func (g *graph) breakdown() string {
	var parts []string
	for _, s := range g.spans {
		name, kind, _ := strings.Cut(s.Part, " ") // service ready, of postgres: service postgres ready
		if s.Of != "" {
			name = strings.TrimSpace(name + " " + s.Of + " " + kind)
		} else {
			name = s.Part
		}
		parts = append(parts, fmt.Sprintf("%s %.2f s", name, s.Took.Seconds()))
	}
	g.spans = append(g.spans, Span{Part: "total", Took: time.Since(g.begun)})
	return fmt.Sprintf("Job started in %.2f s (at the same time: %s)", time.Since(g.begun).Seconds(), strings.Join(parts, ", "))
}

// steadyTimeout bounds a call to an engine that hangs.
const steadyTimeout = 2 * time.Minute

var errSlow = errors.New("the docker engine did not answer for 2 minutes")

// steady is for calls that create something: cutting one off would leave it unknown whether the thing exists.
func steady(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), steadyTimeout, errSlow)
}
