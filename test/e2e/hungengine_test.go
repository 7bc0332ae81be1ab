package e2e

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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

// through configures a runner whose engine is behind p.
func (w *world) through(p *pausable) {
	w.t.Helper()
	w.writeConfig(fmt.Sprintf("concurrent = 1\ncheck_interval = 1\nshutdown_timeout = 1\n%s[lced]\n  shutdown = \"abort\"\n", strings.Replace(w.entry("hung"), "[runners.docker]", "[runners.docker]\n    host = \"unix://"+p.socket+"\"", 1)))
}

// TestStopWithAHungEngine: the engine does not kill the job's containers, and the runner ends all the same. The next one
// removes and reports what is left.
func TestStopWithAHungEngine(t *testing.T) {
	t.Parallel()
	w, p := prepareWorld(t, nil), newPausable(t)
	w.through(p)
	w.startRunner()
	id := w.submit(job(forever))
	w.awaitLog(id, "begun\n")
	p.pause()
	w.signal(syscall.SIGTERM)
	if code := w.waitExit(); code != 1 || !strings.Contains(w.log.String(), "did not end within shutdown_timeout") {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
	w.through(newPausable(t))
	w.startRunner()
	j, log := w.await(id)
	fails("runner_system_failure", 0, "begun\n", "the runner was restarted")(t, ending{j, log})
}

// TestStartWithAHungEngine: a socket that accepts and never answers.
func TestStartWithAHungEngine(t *testing.T) {
	t.Parallel()
	w, p := prepareWorld(t, nil), newPausable(t)
	p.pause()
	w.through(p)
	w.startRunner()
	if code := w.waitExit(); code != 1 || !strings.Contains(w.log.String(), "the docker engine at unix://"+p.socket+" does not answer") {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
}
