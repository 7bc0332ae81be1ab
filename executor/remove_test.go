package executor

import (
	"net/http"
	"sync/atomic"
	"testing"
)

// TestRemoveOutlastsARestart has an engine that is away when a job's things are to be removed.
func TestRemoveOutlastsARestart(t *testing.T) {
	t.Parallel()
	var calls, removed atomic.Int32
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= 2 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
			return
		}
		removed.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	j := e.NewJob(&Plan{Helper: &Helper{Container: Container{Name: "x-predefined"}}}, nil)
	j.track("one")
	if err := j.Remove(t.Context()); err != nil || removed.Load() != 1 {
		t.Errorf("removed %d times, error %v", removed.Load(), err)
	}
	if len(e.claims.count) > 0 {
		t.Errorf("still claimed are %v", e.claims.count)
	}
}

// TestEachLocksNothing: while the engine takes its time to remove one container, another one may be noted.
func TestEachLocksNothing(t *testing.T) {
	t.Parallel()
	var c course
	c.track("one")
	_ = c.each(func(id string) error {
		if !c.mu.TryLock() {
			t.Errorf("the state is locked while %s is removed", id)
			return nil
		}
		c.mu.Unlock()
		return nil
	})
}
