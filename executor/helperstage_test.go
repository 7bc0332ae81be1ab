package executor

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
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

// TestHelperStageOfAForgottenExec has an engine that is started anew under a stage, while systemd keeps its socket: no connection is
// refused, and the new engine does not know the exec of the old one.
func TestHelperStageOfAForgottenExec(t *testing.T) {
	t.Parallel()
	var made atomic.Int32
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/containers/helper/exec":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"Id":"x%d"}`, made.Add(1))
		case r.URL.Path == "/exec/x1/json":
			refuse(w, http.StatusNotFound, "No such exec instance: x1")
		case strings.HasSuffix(r.URL.Path, "/start"):
			_, _ = io.Copy(io.Discard, r.Body)
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
			_, _ = buffered.ReadString('\n')
			conn.Close()
		default:
			fmt.Fprint(w, `{"ID":"x2","Running":false,"ExitCode":0}`)
		}
	})
	log := &lines{}
	code, err := helperStage(t.Context(), e, "helper", []string{"stage"}, []byte("{}"), log)
	if code != 0 || err != nil || made.Load() != 2 {
		t.Errorf("exit code %d, %v; %d execs", code, err, made.Load())
	}
	if text := strings.Join(log.text, ""); !strings.Contains(text, "this stage begins again") {
		t.Errorf("the log says %q", text)
	}
}
