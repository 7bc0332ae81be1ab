package executor

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestHelperStage has an engine that is started anew under a stage, while systemd keeps its socket: no connection is refused, and the
// new engine does not know the exec of the old one. And it has containers that somebody ended or removed meanwhile.
func TestHelperStage(t *testing.T) {
	t.Parallel()
	const again, running = "this stage begins again", `{"State":{"Running":true}}`
	for name, test := range map[string]struct {
		forgets   string // path of the call that does not know the first exec
		container string // what the engine says of it; empty: there is none
		ends      bool   // but it has ended when its end is waited for
		exit      int    // of the stage
		execs     int32
		logged    string
		says      string
		code      int
	}{
		"forgotten before it began":  {forgets: "/exec/x1/start", container: running, execs: 2, logged: again},
		"forgotten before its end":   {forgets: "/exec/x1/json", container: running, execs: 2, logged: again},
		"forgotten, and removed":     {forgets: "/exec/x1/start", execs: 1, logged: again, says: "was removed from outside", code: -1},
		"it fails":                   {container: running, exit: 3, execs: 1, code: 3},
		"its container was ended":    {container: `{"State":{"Running":false}}`, exit: 137, execs: 1, says: "was ended from outside", code: 137},
		"its container is to end":    {container: running, ends: true, exit: 137, execs: 1, says: "was ended from outside", code: 137},
		"a command in it was killed": {container: running, exit: 137, execs: 1, code: 137},
		"its container is not there": {exit: 137, execs: 1, says: "was removed from outside", code: 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var made atomic.Int32
			var forgot, waited atomic.Bool
			e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/containers/helper/exec" && test.container == "" && forgot.Load():
					refuse(w, http.StatusNotFound, "No such container: helper")
				case r.URL.Path == "/containers/helper/exec":
					w.WriteHeader(http.StatusCreated)
					fmt.Fprintf(w, `{"Id":"x%d"}`, made.Add(1))
				case r.URL.Path == test.forgets || strings.HasPrefix(r.URL.Path, "/exec/x1/") && forgot.Load():
					forgot.Store(true)
					refuse(w, http.StatusNotFound, "No such exec instance: x1")
				case strings.HasSuffix(r.URL.Path, "/start"):
					takes(t, w, r)
				case r.URL.Path == "/containers/helper/json" && test.container == "":
					refuse(w, http.StatusNotFound, "No such container: helper")
				case r.URL.Path == "/containers/helper/wait":
					waited.Store(true)
					fmt.Fprint(w, `{}`)
				case r.URL.Path == "/containers/helper/json" && test.ends && waited.Load():
					fmt.Fprint(w, `{"State":{"Running":false}}`)
				case r.URL.Path == "/containers/helper/json":
					fmt.Fprint(w, test.container)
				default:
					fmt.Fprintf(w, `{"ID":"x2","Running":false,"ExitCode":%d}`, test.exit)
				}
			})
			log := &lines{}
			code, err := helperStage(t.Context(), e, "helper", []string{"stage"}, []byte("{}"), log)
			if code != test.code || made.Load() != test.execs || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("exit code %d, %v; %d execs", code, err, made.Load())
			}
			if text := strings.Join(log.text, ""); !strings.Contains(text, test.logged) || (text == "") != (test.logged == "") {
				t.Errorf("the log says %q", text)
			}
		})
	}
}

// takes answers the start of an exec, takes its request and ends its output.
func takes(t *testing.T, w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	_, _ = buffered.ReadString('\n')
}
