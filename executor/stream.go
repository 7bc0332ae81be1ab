package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// stream is the engine's connection to the standard streams of a container or exec.
type stream struct {
	conn client.HijackedResponse
	stop func() bool
	done chan struct{}
	// Valid after done: the error of the output, and when it ended.
	err   error
	ended time.Time
}

// follow copies the output of a hijacked connection into out and errw until its end. The connection is closed with ctx.
func follow(ctx context.Context, conn client.HijackedResponse, out, errw io.Writer) *stream {
	s := &stream{conn: conn, done: make(chan struct{})}
	s.stop = context.AfterFunc(ctx, conn.Close)
	go func() {
		defer close(s.done)
		if _, err := stdcopy.StdCopy(out, errw, newGathering(conn.Reader, conn.Conn)); err != nil && ctx.Err() == nil {
			s.err = fmt.Errorf("read the output from the engine: %w", err)
		}
		s.ended = time.Now()
	}()
	return s
}

// wait blocks until all output was copied.
func (s *stream) wait() error {
	<-s.done
	s.stop()
	s.conn.Close()
	return s.err
}

// abandon gives up a connection whose output nobody wants any more.
func (s *stream) abandon() {
	s.conn.Close()
	_ = s.wait()
}

// attach connects to the container's streams; call it before the start, or output is lost.
func (s containers) attach(ctx context.Context, id string, out, errw io.Writer) (*stream, error) {
	res, err := s.docker.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		if _, known := s.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); errdefs.IsNotFound(known) {
			return nil, removed(id) // the client does not tell which answer it was
		}
		return nil, fmt.Errorf("attach to container %s: %w", id, err)
	}
	return follow(ctx, res.HijackedResponse, out, errw), nil
}

// exec runs a command in a running container. input is written to its stdin, which then stays open until the command ends
// or ctx does: closing it is how the command learns that nobody waits for it any more.
func (s containers) exec(ctx context.Context, id string, cmd []string, input []byte, out, errw io.Writer) (exit int, err error) {
	created, err := s.docker.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: cmd, AttachStdin: input != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return -1, fmt.Errorf("create exec of %s in container %s: %w", cmd[0], id, err)
	}
	res, err := s.docker.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		// The client does not tell which answer it was.
		_, known := s.docker.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
		if errdefs.IsNotFound(known) {
			return -1, forgotten(cmd[0], id, known)
		}
		return -1, fmt.Errorf("start exec of %s in container %s: %w", cmd[0], id, err)
	}
	stream := follow(ctx, res.HijackedResponse, out, errw)
	if input != nil {
		if _, err := res.Conn.Write(input); err != nil && ctx.Err() == nil {
			stream.abandon()
			return -1, fmt.Errorf("send its request to %s in container %s: %w", cmd[0], id, err)
		}
	}
	if err := stream.wait(); err != nil {
		return -1, err
	}
	if ctx.Err() != nil {
		return -1, context.Cause(ctx)
	}
	state, err := s.docker.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if errdefs.IsNotFound(err) {
		return -1, forgotten(cmd[0], id, err)
	}
	if err != nil {
		return -1, fmt.Errorf("ask for the exit code of %s in container %s: %w", cmd[0], id, err)
	}
	if state.Running {
		return -1, fmt.Errorf("the engine closed the streams of %s in container %s before its end", cmd[0], id)
	}
	return state.ExitCode, nil
}

// forgotten is the error of an exec that its engine does not know any more: so says one that was started anew, although the container
// went on and systemd held the connections meanwhile. Of a container that is gone the next exec tells.
func forgotten(command, id string, err error) error {
	return fmt.Errorf("the engine has forgotten %s in container %s (%w): %w", command, id, err, io.ErrUnexpectedEOF)
}

// heldLimit bounds what is kept of a shell that talks before it gets its script, in bytes.
const heldLimit = 64 << 10

// held is a writer whose target comes later. What is written before is kept up to heldLimit; a writer of more waits for the
// target, as any image may have a shell that talks without end.
type held struct {
	over  <-chan struct{} // nobody waits for a target any more
	given chan struct{}   // closed when there is a target

	mu     sync.Mutex
	kept   []byte
	target io.Writer
}

// newHeld makes one that stops waiting with ctx.
func newHeld(ctx context.Context) *held {
	return &held{over: ctx.Done(), given: make(chan struct{})}
}

func (h *held) Write(p []byte) (int, error) {
	if h.keep(p) {
		return len(p), nil
	}
	select {
	case <-h.given:
	case <-h.over:
		return 0, errors.New("the job ended before its script began")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.target.Write(p)
}

func (h *held) keep(p []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.target != nil || len(h.kept) >= heldLimit {
		return false
	}
	h.kept = append(h.kept, p...)
	return true
}

// release gives the target, once.
func (h *held) release(target io.Writer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.target = target
	close(h.given)
	_, err := target.Write(h.kept)
	h.kept = nil
	return err
}
