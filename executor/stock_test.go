package executor

import (
	"fmt"
	"net/http"
	"testing"

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
