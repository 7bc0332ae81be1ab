package executor

import (
	"fmt"
	"net/http"
	"testing"
)

// TestNameTaken makes a container whose name a leftover has, which an engine is still making at first. What is not this
// runner's stays.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]bool{"s_test": true, "another": false} {
		asked, removed := 0, false
		e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/containers/create" && removed:
				fmt.Fprint(w, `{"Id":"new"}`)
			case r.URL.Path == "/containers/create":
				refuse(w, http.StatusConflict, "the name is in use")
			case r.Method == http.MethodDelete:
				removed = true
			default:
				if asked++; asked == 1 {
					refuse(w, http.StatusNotFound, "no such container")
					return
				}
				fmt.Fprintf(w, `{"Id":"old","Config":{"Labels":{%q:%q}}}`, LabelOwner, owner)
			}
		})
		id, err := e.containers.create(t.Context(), &Container{Name: "job-build"}, "image", false, nil)
		if made := id == "new" && err == nil; made != want || removed != want {
			t.Errorf("leftover of %s: removed %v, made %q, %v", owner, removed, id, err)
		}
	}
}
