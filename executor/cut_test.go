package executor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// cut is where a connection to a container's streams ends.
type cut struct {
	after  int64 // bytes of the script that the engine gets
	half   bool  // only the way to the engine ends; else the whole connection, as when the runner or the engine is killed
	output bool  // instead: the whole connection ends at the first byte that the container prints

	// Only the runner's end of the first connection ends: the container's stdin stays open, as when an engine restarts under it.
	lost *atomic.Bool
}

// proxy stands before the engine and cuts every connection that attaches to a container.
func (c cut) proxy(t *testing.T, engine string) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lced") // t.TempDir may be too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	network, address, _ := strings.Cut(engine, "://")
	var relays sync.WaitGroup
	relays.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			relays.Go(func() {
				far, err := net.Dial(network, address)
				if err != nil {
					near.Close()
					return
				}
				c.relay(near.(duplex), far.(duplex))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		relays.Wait()
		os.RemoveAll(dir)
	})
	return "unix://" + listener.Addr().String()
}

// duplex is a unix or TCP connection.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// relay copies both ways until both have ended.
func (c cut) relay(client, engine duplex) {
	end := func() {
		client.Close()
		engine.Close()
	}
	defer end()
	request, answer := bufio.NewReader(client), bufio.NewReader(engine)
	line, err := request.ReadString('\n')
	attach := strings.Contains(line, "/attach?")
	if err == nil {
		_, err = io.WriteString(engine, line)
	}
	if err == nil && attach {
		err = passHead(engine, request)
	}
	if err != nil {
		return
	}
	var both sync.WaitGroup
	answered := make(chan struct{}) // before that there is no attached connection to cut
	both.Go(func() {
		if attach {
			<-answered
		}
		switch {
		case attach && !c.output && c.half:
			_, _ = io.CopyN(engine, request, c.after)
			_ = engine.CloseWrite()
			_, _ = io.Copy(io.Discard, request)
		case attach && c.lost != nil && !c.lost.Swap(true):
			_, _ = io.CopyN(engine, request, c.after)
			client.Close()
		case attach && c.lost == nil && !c.output:
			_, _ = io.CopyN(engine, request, c.after)
			end()
		default:
			_, _ = io.Copy(engine, request)
			_ = engine.CloseWrite()
		}
	})
	both.Go(func() {
		if attach {
			_ = passHead(client, answer)
			close(answered)
		}
		if attach && c.output {
			_, _ = answer.Peek(1)
			end()
			return
		}
		_, _ = io.Copy(client, answer)
		_ = client.CloseWrite()
	})
	both.Wait()
}

// passHead copies the rest of an HTTP head.
func passHead(to io.Writer, from *bufio.Reader) error {
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = from.ReadString('\n'); err != nil {
			return err
		}
		if _, err = io.WriteString(to, line); err != nil {
			return err
		}
	}
	return nil
}

// TestCutConnection cuts the connection between the start of the container and the end of its script, at every point
// that differs. A job may succeed only if the engine got the whole script and the runner saw its end, there or in the
// engine's log; of a script that did not arrive whole, no line of the user's may run.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	engine := engineHost(t)
	const script = "echo hello\n: >/ran\n"
	text := wrap(newNonce(), "running", "CI_JOB_STATUS", script, false)
	at := func(part string, more int) int64 { return int64(strings.Index(text, part) + more) }
	whole := int64(len(text) - 1) // the last line end does not matter
	points := []int64{
		0, 1, at("\n", 1), at("trap", 0), at("export", 3), at("esac", 4), at("eval", 6),
		at("hello", 5), at("/ran", 5), at(") </dev/null", 1), at("lced_exit=", 0), at("exit \"$", 4), whole - 1, whole, whole + 1,
	}
	var cuts []cut
	for _, p := range points {
		cuts = append(cuts, cut{after: p}, cut{after: p, half: true})
	}
	for range 4 {
		cuts = append(cuts, cut{output: true})
	}
	var runs errgroup.Group
	runs.SetLimit(4)
	for _, c := range cuts {
		runs.Go(func() error {
			e, err := Connect(t.Context(), Connection{Host: c.proxy(t, engine), Owner: "s_cut"})
			if err != nil {
				return err
			}
			defer e.Close()
			job := testJob(t, e, script)
			err = job.Run(t.Context(), t.Context())
			arrived := c.output || c.after >= whole
			switch {
			case err == nil && !arrived:
				t.Errorf("%+v of %d: success", c, len(text))
			case err != nil && arrived && (c.half || c.output): // what the connection did not bring back is in the engine's log
				t.Errorf("%+v of %d: %v, although the script arrived", c, len(text), err)
			case !arrived && !errors.Is(err, errNothingRan):
				t.Errorf("%+v of %d: %v, want that nothing ran", c, len(text), err)
			}
			if !arrived && hasFile(t, job, "/ran") {
				t.Errorf("%+v of %d: a line of the user's ran", c, len(text))
			}
			if err := job.Remove(context.WithoutCancel(t.Context())); err != nil {
				return fmt.Errorf("%+v: %w", c, err)
			}
			return nil
		})
	}
	if err := runs.Wait(); err != nil {
		t.Error(err)
	}
}

// TestLostDelivery cuts the connection in the middle of the script, whose shell goes on to wait for the rest: it is ended, and
// the script is delivered once more and runs once.
func TestLostDelivery(t *testing.T) {
	t.Parallel()
	e, err := Connect(t.Context(), Connection{Host: cut{after: 40, lost: new(atomic.Bool)}.proxy(t, engineHost(t)), Owner: "s_cut"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.patience.start = time.Second
	job := testJob(t, e, "echo hello >>/ran; [ $(wc -l </ran) = 1 ]\n")
	if err := job.Run(t.Context(), t.Context()); err != nil {
		t.Error(err)
	}
	if !hasFile(t, job, "/ran") {
		t.Error("the script did not run")
	}
	if err := job.Remove(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
