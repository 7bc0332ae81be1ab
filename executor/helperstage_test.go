package executor

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// TestHelperEnded tells a stage that failed from one whose container was ended.
func TestHelperEnded(t *testing.T) {
	t.Parallel()
	for running, want := range map[bool]bool{true: true, false: false} {
		e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"Id":"helper","State":{"Running":%v}}`, running)
		})
		if err := stillRuns(t.Context(), e.docker, "helper", 137); (err == nil) != want {
			t.Errorf("running %v: %v", running, err)
		}
	}
	e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "no such container") })
	err := stillRuns(t.Context(), e.docker, "helper", 137)
	if _, exit := errors.AsType[*ExitError](err); err == nil || exit {
		t.Errorf("gone: %v", err)
	}
}
