package executor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// leftContainer is the build container that another process left, on an engine that is made up.
type leftContainer struct {
	gone, running bool
	going         bool // the engine gives no log any more
	code          int
	out           []string // lines of its stdout, in the engine's log
	outside       bool     // somebody ended it
	again         bool     // what its log has is followed by its end only when it is killed, or its processes are told to end

	mu    sync.Mutex
	calls []string
	ended chan struct{}
}

func (c *leftContainer) did(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

// done are the calls that change something.
func (c *leftContainer) done() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

func (c *leftContainer) engine(t *testing.T) *Engine {
	t.Helper()
	c.ended = make(chan struct{})
	if !c.running {
		close(c.ended)
	}
	end := sync.OnceFunc(func() {
		if c.running {
			close(c.ended)
		}
	})
	t.Cleanup(end)
	return fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		call := r.Method + " " + r.URL.Path
		switch {
		case r.Method != http.MethodGet && !strings.HasSuffix(call, "/wait"):
			c.did(call)
		case c.gone && strings.HasPrefix(r.URL.Path, "/containers/build"):
			refuse(w, http.StatusNotFound, "No such container: build")
			return
		}
		switch call {
		case "GET /containers/build/json":
			fmt.Fprintf(w, `{"Id":"build","State":{"Running":%t}}`, c.running)
		case "POST /containers/build/wait":
			_ = http.NewResponseController(w).Flush()
			select {
			case <-c.ended:
				fmt.Fprintf(w, `{"StatusCode":%d}`, c.code)
			case <-r.Context().Done():
			}
		case "GET /containers/build/logs":
			if c.going {
				refuse(w, http.StatusConflict, "can not get logs from container which is dead or marked for removal")
				return
			}
			for _, line := range c.out {
				frame := "2026-01-02T03:04:05.000000006Z " + line
				header := make([]byte, 8)
				header[0] = 1
				binary.BigEndian.PutUint32(header[4:], uint32(len(frame)))
				_, _ = io.WriteString(w, string(header)+frame)
			}
			_ = http.NewResponseController(w).Flush()
			if !c.again {
				end()
			}
			<-c.ended
		case "GET /info":
			fmt.Fprintf(w, `{"SystemTime":%q}`, time.Now().Format(time.RFC3339Nano))
		case "GET /events":
			if c.outside {
				fmt.Fprintln(w, `{"Type":"container","Action":"kill","Actor":{"ID":"build"}}`)
			}
		case "POST /containers/build/attach":
			refuse(w, http.StatusTeapot, "")
		case "POST /containers/build/exec":
			end()
			refuse(w, http.StatusConflict, "Container build is not running")
		case "POST /containers/build/kill":
			end()
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// paper is a Section that keeps what comes to its stdout.
type paper struct {
	lines
	strings.Builder
}

func (p *paper) Stream(int) io.Writer { return p }

// resumed is the job of one script, in a state that another process left.
func resumed(e *Engine, s State, rebooted bool, section Section) *Job {
	s.Nonce = "N"
	p := &Plan{
		Name: "runner-x", Build: Build{Container: Container{Name: "runner-x-build"}}, StepAttempts: 1,
		Steps: []Step{{Section: "step_script", Script: "true"}},
	}
	return ResumeJob(e, p, func(string, string) Section { return section }, Resumed{
		State: s, Rebooted: rebooted, Continue: func(string) Section { return section },
	})
}

// TestResume adopts a script in each state in which another process may have left it. It is never said to have succeeded or
// failed by itself without its end line, and never delivered twice once its start was seen.
func TestResume(t *testing.T) {
	t.Parallel()
	const begin, end = "\x1eN+\n", "\x1eN-%d\n"
	whole := func(code int) []string { return []string{begin, "hello\n", fmt.Sprintf(end, code)} }
	cut := whole(0)[:2]
	for name, tt := range map[string]struct {
		c          *leftContainer
		notStarted bool // its start line was not seen
		rebooted   bool
		want       string // part of the error; empty: success
		exit       int    // of the script itself
		silent     bool   // no output
	}{
		"it goes on":                      {c: &leftContainer{running: true, out: whole(0)}},
		"it goes on, its start not seen":  {c: &leftContainer{running: true, out: whole(0)}, notStarted: true},
		"it has ended":                    {c: &leftContainer{out: whole(0)}},
		"it has failed":                   {c: &leftContainer{out: whole(3), code: 3}, exit: 3, want: "exit code 3"},
		"its end line tells":              {c: &leftContainer{out: whole(3), code: 0}, exit: 3, want: "exit code 3"},
		"it has ended without its line":   {c: &leftContainer{out: cut}, want: "not by the end of the script"},
		"it was ended, nobody knows how":  {c: &leftContainer{out: cut, code: 137}, want: "not by the end of the script"},
		"it was ended from outside":       {c: &leftContainer{out: cut, code: 137, outside: true}, want: "was ended from outside"},
		"its log is lost":                 {c: &leftContainer{}, want: "not by the end of the script", silent: true},
		"it is gone":                      {c: &leftContainer{gone: true}, want: "is gone: it was removed from outside", silent: true},
		"it is going":                     {c: &leftContainer{going: true}, want: "is gone: it was removed from outside", silent: true},
		"it never began":                  {c: &leftContainer{}, notStarted: true, want: "received 418", silent: true},
		"it lived through another boot":   {c: &leftContainer{out: whole(0)}, rebooted: true, want: "the machine was restarted"},
		"it did not live through a boot":  {c: &leftContainer{out: cut, code: 137}, rebooted: true, want: "the machine was restarted"},
		"it is gone since the other boot": {c: &leftContainer{gone: true}, rebooted: true, want: "the machine was restarted", silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			section := &paper{}
			j := resumed(tt.c.engine(t), State{Ready: true, Build: "build", Begun: true, Started: !tt.notStarted}, tt.rebooted, section)
			err := j.Run(t.Context(), t.Context())
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			exit, _ := errors.AsType[*ExitError](err)
			if (exit == nil) != (tt.exit == 0) || exit != nil && exit.Code != tt.exit {
				t.Errorf("the script's exit code is %v, want %d", exit, tt.exit)
			}
			if out := section.String(); (out == "hello\n") == tt.silent || tt.silent && out != "" {
				t.Errorf("output %q", out)
			}
			delivered := slices.Contains(tt.c.done(), "POST /containers/build/attach")
			if delivered != (tt.want == "received 418") {
				t.Errorf("the script is delivered again: %v", delivered)
			}
		})
	}
}

// TestResumeBetweenSteps ends a shell that waits for a script of a process that is gone, and counts its output as read.
func TestResumeBetweenSteps(t *testing.T) {
	t.Parallel()
	c := leftContainer{running: true, again: true, out: []string{"of an earlier step\n", "a shell that greets\n"}}
	j := resumed(c.engine(t), State{Ready: true, Build: "build"}, false, discard{})
	if err := (adoption{j}).begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.done(); !slices.Equal(got, []string{"POST /containers/build/kill"}) {
		t.Errorf("calls %q", got)
	}
	if want := int64(len(strings.Join(c.out, ""))); j.shell.read[0] != want {
		t.Errorf("%d bytes are read, want %d", j.shell.read[0], want)
	}
}

// TestResumeAPreparation removes by name what another process may have made before it knew an id, and forgets the ids.
func TestResumeAPreparation(t *testing.T) {
	t.Parallel()
	c, section := leftContainer{}, &lines{}
	j := resumed(c.engine(t), State{Build: "build", Containers: []string{"build"}}, false, section)
	j.plan.Network, j.plan.Volumes = &Network{Name: "net"}, []Volume{{Name: "vol", Temporary: true}}
	j.plan.Helper = &Helper{Container: Container{Name: "runner-x-predefined"}}
	j.plan.claim(&j.engine.claims)
	claimed := maps.Clone(j.engine.claims.count)
	j.plan.Services = []Service{{Container: Container{Name: "runner-x-docker-0"}}}
	if err := (adoption{j}).begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"build", "runner-x-fill", "runner-x-open", SpareName("runner-x"), "runner-x-build", "runner-x-predefined", "runner-x-docker-0"} {
		if !slices.Contains(c.done(), "DELETE /containers/"+name) {
			t.Errorf("%s is not removed: %q", name, c.done())
		}
	}
	if j.state.Build != "" || j.state.Containers != nil {
		t.Errorf("state %+v", j.state)
	}
	if diff := cmp.Diff(claimed, j.engine.claims.count); diff != "" || !j.engine.claims.holds("net") {
		t.Errorf("claimed, before and after (-want +got)\n%s", diff)
	}
	if !strings.Contains(strings.Join(section.text, "\n"), "the preparation begins again") {
		t.Errorf("the log says %q", section.text)
	}
}
