package e2e

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lced-runner/internal/coordinator"
)

// pausable stands before the engine; after pause nothing goes through it any more, and no connection ends.
type pausable struct {
	socket string
	paused chan struct{}
}

func newPausable(t *testing.T) *pausable {
	t.Helper()
	p := &pausable{socket: filepath.Join(t.TempDir(), "engine.sock"), paused: make(chan struct{})}
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			engine, err := net.Dial("unix", "/var/run/docker.sock")
			if err != nil {
				conn.Close()
				continue
			}
			go p.copy(engine, conn)
			go p.copy(conn, engine)
		}
	}()
	return p
}

func (p *pausable) pause() { close(p.paused) }

func (p *pausable) copy(to, from net.Conn) {
	io.Copy(to, gated{from, p.paused})
	select {
	case <-p.paused:
	default:
		to.(*net.UnixConn).CloseWrite()
	}
}

// gated ends at the first read after the pause.
type gated struct {
	net.Conn
	paused chan struct{}
}

func (g gated) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	select {
	case <-g.paused:
		return 0, io.EOF
	default:
		return n, err
	}
}

// through configures a runner whose engine is behind p, with more of [lced].
func (w *world) through(p *pausable, shutdownTimeout int, lced string) {
	w.t.Helper()
	w.writeConfig(fmt.Sprintf("concurrent = 1\ncheck_interval = 1\nlog_level = \"debug\"\nshutdown_timeout = %d\n%s[lced]\n  %s\n", shutdownTimeout, strings.Replace(w.entry("hung"), "[runners.docker]", "[runners.docker]\n    host = \"unix://"+p.socket+"\"", 1), lced))
}

// TestStopWithAHungEngine: an engine that does nothing any more keeps no runner from ending, in each way in which it may be told
// to: it leaves its job to the next process, which goes on with it; or it ends its job, and the next process removes and reports
// what is left.
func TestStopWithAHungEngine(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	stop := func(says string, code int, signals ...syscall.Signal) {
		t.Helper()
		for i, s := range signals {
			if i > 0 {
				w.awaitSaid("ending all jobs", "from here on no process goes on with the job")
			}
			w.signal(s)
		}
		if got := w.waitExit(); got != code || !strings.Contains(w.log.String()[w.begun:], says) {
			t.Errorf("after %v: exit code %d, want %d and %q\n%s", signals, got, code, says, w.log.String()[w.begun:])
		}
	}
	ended := func(id int64) {
		t.Helper()
		w.through(newPausable(t), 1, `shutdown = "abort"`)
		w.startRunner()
		j, log := w.await(id)
		fails("runner_system_failure", 0, "begun\n", "the runner was restarted")(t, ending{j, log})
	}
	hung := newPausable(t)
	w.through(hung, 600, "")
	w.startRunner()
	id := w.submit(job(forever))
	w.awaitLog(id, "begun\n")
	hung.pause()
	stop("leaving the running jobs to the next process", 0, syscall.SIGTERM)

	hung = newPausable(t)
	w.through(hung, 600, `shutdown = "abort"`)
	w.startRunner()
	w.awaitSaid("going on with a job that another process left")
	size := len(w.gitlab.Trace(id))
	w.awaitUntil(id, func(_ coordinator.Job, log []byte) bool { return len(log) > size })
	hung.pause()
	stop("one more signal: exit at once", 1, syscall.SIGTERM, syscall.SIGINT)
	ended(id)

	w.drain()
	hung = newPausable(t)
	w.through(hung, 1, `shutdown = "abort"`)
	w.startRunner()
	id = w.submit(job(forever))
	w.awaitLog(id, "begun\n")
	hung.pause()
	stop("did not end within shutdown_timeout", 1, syscall.SIGTERM)
	ended(id)
	w.drain() // before the way to the engine is closed
}

// TestStartWithAHungEngine: a socket that accepts and never answers.
func TestStartWithAHungEngine(t *testing.T) {
	t.Parallel()
	w, p := prepareWorld(t, nil), newPausable(t)
	p.pause()
	w.through(p, 1, "")
	w.startRunner()
	if code := w.waitExit(); code != 1 || !strings.Contains(w.log.String(), "the docker engine at unix://"+p.socket+" does not answer") {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
}
