package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestConformance_09_Terminal is point 9 of the job contract: a user opens the web terminal of a running job, is where the script is, lets it
// go on, finds the container as the failed script left it, and leaves; then the job goes on to its end.
func TestConformance_09_Terminal(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.configure(plainConfig + dockerConfig(fmt.Sprintf("\n[session_server]\n  listen_address = %q\n", "127.0.0.1:"+freePort(t, "127.0.0.1"))))
	w.startRunner()
	spec := job("echo the script waits", "until [ -e /tmp/go ]; do sleep 0.2; done", "rm README", "exit 7")
	spec.Job.AfterScript = []string{"cat /tmp/by-hand"}
	id := w.submit(spec)
	w.awaitLog(id, "the script waits\n")

	refused := func(want int, change func(address *string, header http.Header)) {
		t.Helper()
		_, err := coordinator.OpenTerminal(t.Context(), w.gitlab, id, change)
		if no, ok := errors.AsType[*coordinator.TerminalRefused](err); !ok || no.Status != want {
			t.Errorf("%v, want status %d", err, want)
		}
	}
	refused(http.StatusUnauthorized, func(_ *string, header http.Header) { header.Set("Authorization", "guessed") })
	refused(http.StatusNotFound, func(address *string, _ http.Header) { *address = strings.Replace(*address, "/exec", "x/exec", 1) })

	user := w.openTerminal(id)
	refused(http.StatusLocked, nil)
	user.until(t, "\x1b[6n")
	user.types(t, "\x1b[33;144R") // what a terminal of that size answers
	user.types(t, `echo "I am in $PWD of job $CI_JOB_ID, size $(stty size)"`+"\r")
	user.until(t, "I am in /builds/"+w.repo.Path+" of job "+fmt.Sprint(id)+", size 33 144\r\n")
	user.types(t, "touch /tmp/go\r")
	w.awaitLog(id, "Terminal is connected, will time out in 30m0s...")
	if j, _ := w.gitlab.Job(id); j.Ended() {
		t.Error("the job has ended although its terminal is open")
	}
	user.types(t, "echo by hand >/tmp/by-hand; ls README; echo 'all'\" is done\"\r")
	user.until(t, "all is done")
	if err := user.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	j, log := w.await(id)
	fails("script_failure", 7, "Terminal disconnected", "by hand")(t, ending{j, log})
	if !strings.Contains(user.seen.String(), "README: No such file") {
		t.Errorf("the container is not as the script left it: %q", user.seen.String())
	}
	if _, err := coordinator.OpenTerminal(t.Context(), w.gitlab, id, nil); err == nil {
		t.Error("a job that has ended has a terminal")
	}

	// A cancelled script does not wait for its user, and a job without a user just ends.
	id = w.submit(job("while :; do echo it works; sleep 1; done"))
	w.awaitLog(id, "it works\n")
	user = w.openTerminal(id)
	user.until(t, "\x1b[6n")
	w.gitlab.Cancel(id)
	if j, log := w.await(id); j.State != coordinator.StateCanceled {
		t.Errorf("state %s\n%s", j.State, log)
	}
	for err := error(nil); err == nil; {
		_, err = user.Read(t.Context())
	}
	j, log = w.run(job("echo nobody is here"))
	lacks(succeeds("nobody is here"), "Terminal")(t, ending{j, log})
}

// terminal is a user's, with all that it has shown.
type terminal struct {
	*coordinator.Terminal
	seen bytes.Buffer
}

func (w *world) openTerminal(id int64) *terminal {
	w.t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), patience, errors.New("the test lost patience"))
	defer cancel()
	one, err := coordinator.OpenTerminal(ctx, w.gitlab, id, nil)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.log)
	}
	return &terminal{Terminal: one}
}

func (u *terminal) types(t *testing.T, text string) {
	t.Helper()
	if err := u.Write(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// until reads until the terminal has shown a text.
func (u *terminal) until(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the test lost patience"))
	defer cancel()
	for !bytes.Contains(u.seen.Bytes(), []byte(text)) {
		p, err := u.Read(ctx)
		if err != nil {
			t.Fatalf("the terminal does not show %q: %v; it shows\n%q", text, err, u.seen.String())
		}
		u.seen.Write(p)
	}
}
