package executor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
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

// TestNameOfOneThatIsGoing: an engine that takes its time to remove a container is not asked without a pause.
func TestNameOfOneThatIsGoing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/containers/create":
			asked.Add(1)
			refuse(w, http.StatusConflict, "the name is in use")
		case r.Method == http.MethodDelete:
			refuse(w, http.StatusConflict, "removal of container old is already in progress")
		default:
			fmt.Fprintf(w, `{"Id":"old","Config":{"Labels":{%q:"s_test"}}}`, LabelOwner)
		}
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*removePause/2, errors.New("the test has seen enough"))
	defer cancel()
	id, err := e.containers.create(ctx, &Container{Name: "job-build"}, "image", false, nil)
	if n := asked.Load(); id != "" || err == nil || n > 3 {
		t.Errorf("the engine was asked %d times for the container: %q, %v", n, id, err)
	}
}
