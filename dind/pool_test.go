package dind

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// engineOfSpares keeps spares by name, as the engine would.
type engineOfSpares struct {
	mu   sync.Mutex
	runs []string
}

// spareOf is a sidecar on it.
type spareOf struct {
	on   *engineOfSpares
	name string
}

func (s spareOf) Remove(context.Context) error {
	s.on.mu.Lock()
	defer s.on.mu.Unlock()
	at := slices.Index(s.on.runs, s.name)
	if at < 0 {
		return errors.New("removed twice: " + s.name)
	}
	s.on.runs = slices.Delete(s.on.runs, at, at+1)
	return nil
}

func (e *engineOfSpares) start(name string) func(context.Context) (spareOf, error) {
	return func(context.Context) (spareOf, error) {
		time.Sleep(2 * time.Second) // as long as a daemon takes
		e.mu.Lock()
		defer e.mu.Unlock()
		e.runs = append(e.runs, name)
		return spareOf{e, name}, nil
	}
}

func roomFor(limit int) Room {
	return Room{Limit: limit, Free: func(context.Context) (bool, error) { return true, nil }}
}

// keepAt keeps a spare that has the name of its place.
func keepAt(t *testing.T, p *Pool[spareOf], e *engineOfSpares, runner, place string, room Room) {
	t.Helper()
	if err := p.Keep(t.Context(), Wanted{Runner: runner, Place: place}, room, e.start(place)); err != nil {
		t.Errorf("keep one at %s: %v", place, err)
	}
}

func (e *engineOfSpares) want(t *testing.T, names ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.runs, names) {
		t.Errorf("%v are kept, want %v", e.runs, names)
	}
}

// TestPool: a spare is leased once, by its place only, the oldest of the runner makes room, and nothing is left in the end.
func TestPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, p := &engineOfSpares{}, NewPool[spareOf]()
		keepAt(t, p, e, "r", "a", roomFor(2))
		keepAt(t, p, e, "other", "x", roomFor(1))
		keepAt(t, p, e, "r", "b", roomFor(2))
		keepAt(t, p, e, "r", "b", roomFor(2)) // is there
		e.want(t, "a", "x", "b")
		keepAt(t, p, e, "r", "c", roomFor(2))
		e.want(t, "x", "b", "c")
		if _, found := p.Lease(t.Context(), "a"); found {
			t.Error("a spare that is gone was leased")
		}
		if spare, found := p.Lease(t.Context(), "b"); !found || spare.name != "b" {
			t.Errorf("leased %v, %v", spare.name, found)
		}
		if _, found := p.Lease(t.Context(), "b"); found {
			t.Error("a spare was leased twice")
		}
		keepAt(t, p, e, "r", "b", roomFor(2)) // a job has it
		e.want(t, "x", "b", "c")
		p.Lease(t.Context(), "b")
		p.Release("b")
		keepAt(t, p, e, "r", "b", roomFor(2)) // and another one still
		e.want(t, "x", "b", "c")
		p.Release("b")
		keepAt(t, p, e, "r", "d", roomFor(0)) // the configuration wants none any more
		e.want(t, "x", "b")
		if !p.Adopt(Wanted{Runner: "r", Place: "a"}, time.Now(), roomFor(1), spareOf{e, "b"}) || p.Adopt(Wanted{Runner: "r", Place: "e"}, time.Now(), roomFor(1), spareOf{e, "?"}) {
			t.Error("one may be adopted, and one only")
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		e.want(t)
		keepAt(t, p, e, "r", "a", roomFor(2))
		e.want(t)
	})
}

// TestPoolWaits: a job that comes while its spare is being started gets that one, and no other job does.
func TestPoolWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, p := &engineOfSpares{}, NewPool[spareOf]()
		go keepAt(t, p, e, "r", "a", roomFor(1))
		synctest.Wait()
		short, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the job was canceled"))
		defer cancel()
		if _, found := p.Lease(short, "a"); found {
			t.Error("leased before it was ready")
		}
		if spare, found := p.Lease(t.Context(), "a"); !found || spare.name != "a" {
			t.Errorf("leased %v, %v", spare.name, found)
		}
		p.Release("a")
		p.Release("a")
		broken := errors.New("no room on the disk")
		go func() {
			err := p.Keep(t.Context(), Wanted{Place: "a"}, roomFor(1), func(context.Context) (spareOf, error) {
				time.Sleep(time.Second)
				return spareOf{}, broken
			})
			if !errors.Is(err, broken) {
				t.Errorf("%v, want %v", err, broken)
			}
		}()
		synctest.Wait()
		if _, found := p.Lease(t.Context(), "a"); found {
			t.Error("leased one that did not start")
		}
		synctest.Wait()
		p.Release("a")
		keepAt(t, p, e, "r", "a", roomFor(1)) // the failure is forgotten
		e.want(t, "a", "a")
	})
}

// TestPoolExpires: what nobody has used in time goes, and nothing else does.
func TestPoolExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, p := &engineOfSpares{}, NewPool[spareOf]()
		short := roomFor(9)
		short.For = time.Minute
		keepAt(t, p, e, "r", "old", short)
		keepAt(t, p, e, "r", "for ever", roomFor(9))
		time.Sleep(time.Minute)
		keepAt(t, p, e, "r", "new", short)
		go keepAt(t, p, e, "r", "starting", short)
		synctest.Wait()
		if err := p.Expire(t.Context()); err != nil {
			t.Error(err)
		}
		e.want(t, "for ever", "new")
		if _, found := p.Lease(t.Context(), "old"); found {
			t.Error("leased one that is gone")
		}
		time.Sleep(time.Hour)
		if err := p.Expire(t.Context()); err != nil {
			t.Error(err)
		}
		e.want(t, "for ever")
	})
}

// TestPoolMemory: below the floor nothing is started, and what is kept goes until there is enough.
func TestPoolMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, p := &engineOfSpares{}, NewPool[spareOf]()
		keepAt(t, p, e, "other", "a", roomFor(9))
		keepAt(t, p, e, "r", "b", roomFor(9))
		keepAt(t, p, e, "r", "c", roomFor(9))
		atMost := func(n int) Room {
			return Room{Limit: 9, Free: func(context.Context) (bool, error) {
				e.mu.Lock()
				defer e.mu.Unlock()
				return len(e.runs) < n, nil
			}}
		}
		keepAt(t, p, e, "r", "d", atMost(3))
		e.want(t, "b", "c", "d")
		if err := p.Keep(t.Context(), Wanted{Place: "e"}, atMost(0), e.start("e")); !errors.Is(err, errNoMemory) {
			t.Errorf("%v, want %v", err, errNoMemory)
		}
		e.want(t)
	})
}

func TestDaemonReads(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"DOCKER_TLS_CERTDIR": true, "https_proxy": true, "NO_PROXY": true, "DOCKERD_ROOTLESS_ROOTLESSKIT_MTU": true, "OTEL_EXPORTER": true,
		"DOCKER_IMAGE": false, "CI_JOB_ID": false, "DOCKER_TAG": false, "PATH": false,
	} {
		if DaemonReads(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
