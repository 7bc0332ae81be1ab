package executor

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/moby/moby/api/types/container"
)

// TestMomentaryIsNoOrphan looks twice for orphans while a container serves for a moment, at its start; afterwards nothing is claimed.
func TestMomentaryIsNoOrphan(t *testing.T) {
	t.Parallel()
	var e *Engine
	var name string
	removed, claimed := 0, false
	e = fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/containers/create":
			name = r.URL.Query().Get("name")
			claimed = e.claims.holds(name)
			fmt.Fprint(w, `{"Id":"c"}`)
		case r.URL.Path == "/containers/json":
			fmt.Fprintf(w, `[{"Id":"c","Names":["/%s"],"Labels":{%q:"s_test"}}]`, name, LabelOwner)
		case r.URL.Path == "/networks":
			fmt.Fprint(w, `[]`)
		case r.Method == http.MethodDelete:
			removed++
		case r.URL.Path == "/containers/c/attach":
			known := func(map[string]string) bool { return false }
			seen, n, err := e.Stock().Orphans(t.Context(), known, map[string]bool{"c": true})
			if len(seen) > 0 || n > 0 || err != nil {
				t.Errorf("orphans %v, %d removed, %v", seen, n, err)
			}
			refuse(w, http.StatusTeapot, "")
		default:
			fmt.Fprint(w, `{}`)
		}
	})
	if _, err := runOnce(t.Context(), e.containers, "own", []string{"true"}, &container.HostConfig{}); err == nil {
		t.Error("no error")
	}
	if !claimed || removed != 1 || len(e.claims.count) > 0 {
		t.Errorf("claimed before it is there: %v; removed %d times; still claimed %v", claimed, removed, e.claims.count)
	}
}

// TestRemovalOfWhatIsClaimed: what a job has claimed is not removed, and what is being removed is waited for by who claims it.
func TestRemovalOfWhatIsClaimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := claims{counts: &counts{}}
		c.take("volume")
		if err := c.remove("volume", func() error { t.Error("removed"); return nil }); !errors.Is(err, errClaimed) {
			t.Errorf("a claimed volume: %v", err)
		}
		c.drop("volume")
		settled := false
		err := c.remove("volume", func() error {
			c.take("volume")
			go func() {
				settled = c.settle(t.Context(), "volume") == nil
			}()
			synctest.Wait()
			if settled {
				t.Error("who has claimed it did not wait for the removal")
			}
			return nil
		})
		synctest.Wait()
		if err != nil || !settled || len(c.going) > 0 {
			t.Errorf("%v, settled %v, still going %v", err, settled, c.going)
		}
	})
}

// TestImageThatGoesWhileItIsLookedAt has the janitor remove an image just when a job has found it: the job looks again, and has it pulled.
// What the job then has is not removed, nor is a volume of its plan.
func TestImageThatGoesWhileItIsLookedAt(t *testing.T) {
	t.Parallel()
	var e *Engine
	var looks, pulls, removals atomic.Int32
	image := Item{Image: "sha256:i", Refs: []string{"tool:1"}}
	e = fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			removals.Add(1)
			fmt.Fprint(w, `[]`)
		case r.URL.Path == "/images/create":
			pulls.Add(1)
		case looks.Add(1) == 2:
			refuse(w, http.StatusNotFound, "No such image: tool:1")
		default:
			if looks.Load() == 1 {
				if err := e.Stock().Discard(t.Context(), image); err != nil {
					t.Error(err)
				}
			}
			fmt.Fprint(w, `{"Id":"sha256:i"}`)
		}
	})
	j := e.NewJob(&Plan{Volumes: []Volume{{Name: "cache"}}}, func(string, string) Section { return discard{} })
	r, err := ensure(t.Context(), &starter{Job: j, log: discard{}}, Image{Ref: "tool:1", Policies: []string{"if-not-present"}})
	if r.ID != image.Image || err != nil || pulls.Load() != 1 {
		t.Errorf("%+v, %v; %d pulls", r, err, pulls.Load())
	}
	for _, item := range []Item{image, {Volume: "cache"}} {
		if err := e.Stock().Discard(t.Context(), item); !errors.Is(err, errClaimed) {
			t.Errorf("%+v: %v", item, err)
		}
	}
	if removed, err := e.Stock().RemoveStore(t.Context(), "cache"); removed || err != nil || removals.Load() != 1 {
		t.Errorf("a claimed store: removed %v, %v; %d removals", removed, err, removals.Load())
	}
}
