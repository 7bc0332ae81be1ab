package executor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestCleanUp ends jobs before their final tasks: the one that cleans is begun in the helper all the same, before that is killed, but
// for a job that is left to another process and on an engine that hangs. It is begun once.
func TestCleanUp(t *testing.T) {
	t.Parallel()
	cleaned := []string{"POST /containers/helper/start", "POST /containers/helper/exec", "POST /containers/helper/kill"}
	errFailed := errors.New("the job failed to start")
	for name, tt := range map[string]struct {
		cause  error // of the end of the job
		failed error // of the start-up
		next   int
		want   []string
	}{
		"job that took too long":          {cause: errors.New("timeout"), want: cleaned},
		"job that failed to start":        {failed: errFailed, want: cleaned},
		"job that is left":                {cause: ErrLeft},
		"engine that hangs":               {cause: &EngineError{Err: errHung}, want: cleaned[2:]},
		"job that has cleaned up already": {next: 3, want: cleaned[2:]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var calls []string
			e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet { // what became of the helper
					fmt.Fprint(w, `{}`)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, r.Method+" "+r.URL.Path)
				if strings.HasSuffix(r.URL.Path, "/exec") {
					refuse(w, http.StatusConflict, "a made-up helper runs nothing")
					return
				}
				w.WriteHeader(http.StatusNoContent)
			})
			j := e.NewJob(&Plan{
				Helper:  &Helper{Container: Container{Name: "helper"}, Command: []string{"stage"}},
				Finally: []Task{{Section: "upload"}, {Section: "clean", Cleans: true, Optional: true}},
			}, func(string, string) Section { return discard{} })
			j.state.Helper, j.state.Next = "helper", tt.next
			j.track("helper")
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			if tt.cause != nil {
				end(tt.cause)
			}
			if err := j.begun(ctx, tt.failed); fmt.Sprint(err) != fmt.Sprint(errors.Join(tt.cause, tt.failed)) && tt.next == 0 {
				t.Errorf("error %v", err)
			}
			j.kill(ctx)
			if !slices.Equal(calls, tt.want) {
				t.Errorf("calls %q, want %q", calls, tt.want)
			}
		})
	}
}
