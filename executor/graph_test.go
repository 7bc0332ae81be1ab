package executor

import (
	"context"
	"errors"
	"testing"
)

func TestGraphValues(t *testing.T) {
	t.Parallel()
	g, ctx := newGraph(t.Context())
	begin := make(chan struct{})
	// The nodes begin in the wrong order: each waits for the value that it asks for.
	one := node(g, func() (int, error) { <-begin; return 1, nil })
	sum := node(g, func() (int, error) {
		v, err := one.get(ctx)
		return v + 1, err
	})
	node(g, func() (none, error) { close(begin); return none{}, nil })
	if err := g.group.Wait(); err != nil {
		t.Fatal(err)
	}
	// A value stays, although the graph and its context have ended.
	if v, err := sum.get(ctx); v != 2 || err != nil {
		t.Errorf("got %d (%v), want 2", v, err)
	}
}

func TestGraphFailure(t *testing.T) {
	t.Parallel()
	errFirst := errors.New("no such image")
	g, ctx := newGraph(t.Context())
	failing := node(g, func() (int, error) { return 0, errFirst })
	seen := make(chan error, 2)
	node(g, func() (none, error) { // waits for a value that never comes
		_, err := failing.get(ctx)
		seen <- err
		return none{}, err
	})
	node(g, func() (none, error) { // works for as long as the graph lives
		<-ctx.Done()
		seen <- context.Cause(ctx)
		return none{}, errors.New("cut off")
	})
	if err := g.group.Wait(); !errors.Is(err, errFirst) {
		t.Errorf("the graph ends with %v, want the first failure", err)
	}
	for range 2 {
		if err := <-seen; !errors.Is(err, errFirst) {
			t.Errorf("a node was cancelled with %v, want the first failure as the cause", err)
		}
	}
}

func TestGraphCancelled(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancelCause(t.Context())
	g, ctx := newGraph(parent)
	never := node(g, func() (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) })
	waiter := node(g, func() (int, error) { return never.get(ctx) })
	cancel(ErrCanceled)
	if err := g.group.Wait(); !errors.Is(err, ErrCanceled) {
		t.Errorf("the graph ends with %v, want the cause of its context", err)
	}
	if _, err := waiter.get(ctx); !errors.Is(err, ErrCanceled) {
		t.Errorf("a node without a value gives %v, want the cause", err)
	}
}

// TestSteady checks that a call that creates something is not cut off by a cancel.
func TestSteady(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancelCause(t.Context())
	ctx, release := steady(parent)
	cancel(ErrCanceled)
	if err := ctx.Err(); err != nil {
		t.Errorf("cancelled with its parent: %v", err)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		t.Error("an engine that hangs would hang the job")
	}
	release()
}
