package executor

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrepareAgain has an engine that cannot make a network once: the job is started anew, and the next failure is final.
func TestPrepareAgain(t *testing.T) {
	t.Parallel()
	var made, removed atomic.Int64
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/networks/create" && made.Add(1) == 1:
			refuse(w, http.StatusInternalServerError, "the engine is starting")
		case r.URL.Path == "/networks/create":
			w.WriteHeader(http.StatusCreated)
			w.Write([]byte(`{"Id":"n"}`))
		case strings.HasPrefix(r.URL.Path, "/networks/"):
			removed.Add(1)
			refuse(w, http.StatusNotFound, "no such network")
		case removed.Load() == 0:
			<-r.Context().Done() // the first try fails for the network alone
		default:
			refuse(w, http.StatusNotFound, "no such image")
		}
	})
	log := &lines{}
	j := e.NewJob(&Plan{
		Name: "x", Labels: map[string]string{LabelOwner: "s_test"}, Network: &Network{Name: "n"},
		Build: Build{Container: Container{Name: "x-build", Image: Image{Ref: "busybox", Policies: []string{"never"}}}},
	}, func(string, string) Section { return log })
	want := maps.Clone(e.claims.count)
	err := j.prepare(t.Context(), t.Context())
	if err == nil || !strings.Contains(err.Error(), "image busybox cannot be had") {
		t.Fatalf("error %v", err)
	}
	if made.Load() != 2 || removed.Load() == 0 {
		t.Errorf("%d networks are made, and removed %d times; want 2, and at least once", made.Load(), removed.Load())
	}
	if diff := cmp.Diff(want, e.claims.count); diff != "" {
		t.Errorf("claimed, before and after (-want +got)\n%s", diff)
	}
	if !slices.ContainsFunc(log.text, func(line string) bool {
		return strings.Contains(line, "Preparation failed: create the job's network n")
	}) {
		t.Errorf("the log says %q", log.text)
	}
}

// TestPrepareAsOftenAsTheEngineGoes has an engine that cuts the start-up short more often than anything else may.
func TestPrepareAsOftenAsTheEngineGoes(t *testing.T) {
	t.Parallel()
	log := &lines{}
	failures := func() int {
		log.mu.Lock()
		defer log.mu.Unlock()
		return strings.Count(strings.Join(log.text, "\n"), "Preparation failed")
	}
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if failures() < prepareAttempts {
			panic(http.ErrAbortHandler)
		}
		refuse(w, http.StatusNotFound, "no such image")
	})
	j := e.NewJob(&Plan{Build: Build{Container: Container{Image: Image{Ref: "busybox", Policies: []string{"never"}}}}}, func(string, string) Section { return log })
	if err := j.prepare(t.Context(), t.Context()); err == nil || !strings.Contains(err.Error(), "image busybox cannot be had") || failures() != prepareAttempts {
		t.Errorf("error %v, after %d preparations that failed", err, failures())
	}
}

// TestHelperThatNobodyTakes: the job is cancelled, or an engine refuses its volumes, before it looks at the helper that was kept
// for it.
func TestHelperThatNobodyTakes(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{nil, ErrCanceled, ErrLeft} {
		var removed atomic.Int32
		e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/volumes/create":
				refuse(w, http.StatusInternalServerError, "no space left on device")
			case r.Method == http.MethodDelete && r.URL.Path == "/containers/kept":
				removed.Add(1)
			default:
				refuse(w, http.StatusNotFound, "no such image")
			}
		})
		j := e.NewJob(&Plan{
			Labels: map[string]string{LabelOwner: "s_test"}, Volumes: []Volume{{Name: "v"}}, Helper: &Helper{Form: "f"},
			Build: Build{Container: Container{Image: Image{Ref: "busybox", Policies: []string{"never"}}}},
		}, func(string, string) Section { return discard{} })
		j.Helper = &Spare{Name: "k", Form: "f", Helper: true, engine: e, container: "kept"}
		j.Helper.claim()
		ctx, cancel := context.WithCancelCause(t.Context())
		if cause != nil {
			cancel(cause)
		}
		if err := j.prepare(ctx, ctx); err == nil {
			t.Error("the preparation succeeds")
		}
		if gone := removed.Load() == 1 && !e.claims.holds("kept"); gone == (cause == ErrLeft) {
			t.Errorf("end by %v: the kept helper is removed %d times", cause, removed.Load())
		}
		cancel(nil)
	}
}
