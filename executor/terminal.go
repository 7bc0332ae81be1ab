package executor

import (
	"context"
	"fmt"
	"sync"

	"github.com/moby/moby/client"
)

// Terminal is an interactive shell in a job's build container. Its reads end with io.EOF when the shell does, at the latest
// with the container.
type Terminal struct {
	docker *client.Client
	exec   string
	conn   client.HijackedResponse
}

// Terminal opens a shell beside the job's script; begin is shell text that it runs first. It waits until the build container
// runs, for as long as ctx allows; an image without a shell gives a terminal that says so and ends.
func (j *Job) Terminal(ctx context.Context, begin string) (*Terminal, error) {
	id, err := j.gate.wait(ctx)
	if err != nil {
		return nil, err
	}
	docker := j.engine.docker
	created, err := docker.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: []string{"sh", "-c", begin + "\n" + shellDetection}, TTY: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, fmt.Errorf("create a terminal in container %s: %w", id, err)
	}
	res, err := docker.ExecAttach(ctx, created.ID, client.ExecAttachOptions{TTY: true})
	if err != nil {
		return nil, fmt.Errorf("start a terminal in container %s: %w", id, err)
	}
	return &Terminal{docker: docker, exec: created.ID, conn: res.HijackedResponse}, nil
}

func (t *Terminal) Read(p []byte) (int, error) { return t.conn.Reader.Read(p) }

func (t *Terminal) Write(p []byte) (int, error) { return t.conn.Conn.Write(p) }

// Close leaves the shell alone. What still runs in it ends with the container.
func (t *Terminal) Close() error { return t.conn.Conn.Close() }

// Resize tells the shell the size of the user's window, in characters.
func (t *Terminal) Resize(ctx context.Context, rows, columns uint) error {
	_, err := t.docker.ExecResize(ctx, t.exec, client.ExecResizeOptions{Height: rows, Width: columns})
	return err
}

// gate holds those who want a terminal until the build container runs.
type gate struct {
	mu      sync.Mutex
	id      string // of the running container; empty: it does not run
	changed chan struct{}
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

// set opens the gate with a container's id, and shuts it without one.
func (g *gate) set(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.id = id
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) wait(ctx context.Context) (string, error) {
	for {
		g.mu.Lock()
		id, changed := g.id, g.changed
		g.mu.Unlock()
		if id != "" {
			return id, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
