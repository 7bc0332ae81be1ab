package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ExitError says that a stage ended with a non-zero exit code of its own.
type ExitError struct {
	Stage     string
	Code      int
	OOMKilled bool
}

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// errNothingRan is wrapped by the error of a script of which the shell ran nothing: the step may be repeated.
var errNothingRan = errors.New("the script did not start")

// errUndelivered is an errNothingRan for which the engine is to blame.
var errUndelivered = fmt.Errorf("%w: it was not delivered", errNothingRan)

// shell is the build container B: started once per step, the script on the stdin of the shell that its image has.
type shell struct {
	on    containers
	id    string
	name  string
	image string // as the job names it
	nonce string
	alien error    // why an image for another platform does not run; nil for any other image
	gate  *gate    // open while the container runs
	armed *armed   // started and waiting for its script
	over  bool     // it has ended by itself since its last start
	read  [2]int64 // bytes of the container's stdout and stderr that were read so far
	gone  [2]int64 // those of them that the engine's log has not
	begun func()   // is told when the start line of a script was seen; nil = nobody wants to know

	nativeStop bool          // see Build.NativeStop
	startIn    time.Duration // see startPatience; 0 = as long as it takes
	grace      grace         // after SIGTERM
}

// armed is one start of the container.
type armed struct {
	from   [2]int64 // what was read before it
	in     [2]*counted
	held   [2]*held // nil for a start of which another process has delivered the script
	marks  *marks
	stream *stream
	clean  bool        // its output was read to an end
	broken bool        // the engine cut the output; the exit code may be the engine's doing
	cut    time.Time   // when the latest connection to its output ended; zero = none has
	away   bool        // its engine is
	lost   time.Time   // the latest cut by an engine that went away; zero = none was
	stuck  atomic.Bool // it was ended since its shell seemed to wait for a script that got lost
}

// before is how much of the container's output belongs to what ran before the next script.
func (s *shell) before() [2]int64 {
	if s.armed != nil {
		return s.armed.from
	}
	return s.read
}

// newArmed prepares the way of a start's output to out and errw.
func (s *shell) newArmed(out, errw io.Writer) *armed {
	a := &armed{from: s.read, marks: newMarks(out, s.nonce)}
	a.marks.begun = s.begun
	a.in = [2]*counted{{to: a.marks, n: &s.read[0]}, {to: errw, n: &s.read[1]}}
	return a
}

// arm attaches and starts the container, so that its shell waits for the script. ctx bounds the whole step, but for the grace of
// its script.
func (s *shell) arm(ctx context.Context) error {
	ctx = s.grace.outlast(ctx)
	out, errw := newHeld(ctx), newHeld(ctx)
	a := s.newArmed(out, errw)
	a.held = [2]*held{out, errw}
	stream, err := s.on.attach(ctx, s.id, a.in[0], a.in[1])
	if err != nil {
		return err
	}
	a.stream, s.over = stream, false
	if err := s.on.start(ctx, s.id, s.name); err != nil {
		stream.abandon()
		if s.alien != nil && strings.Contains(err.Error(), "exec format error") {
			return s.alien
		}
		if strings.Contains(err.Error(), `"sh": executable file not found`) {
			return &ConfigError{fmt.Errorf("image %s has no shell, and a job's script needs one: use an image with sh or bash in its PATH (%w)", s.image, err)}
		}
		return err
	}
	s.armed = a
	s.gate.set(s.id)
	return nil
}

// run delivers the script and copies the output until the container's end. stop interrupts the script: its processes are
// told to end, killed after a grace, and the cause of stop is returned. ctx, with which stop ends, bounds everything, but for that
// grace. hold, if there is one, is for a script that is wrapped to be held: the container lives on until it returns.
func (s *shell) run(ctx, stop context.Context, stage, script string, out [2]io.Writer, hold holding) error {
	ctx = s.grace.outlast(ctx)
	if s.armed == nil {
		if err := s.arm(ctx); err != nil {
			return err
		}
	}
	defer s.gate.set("")
	a := s.armed
	s.armed = nil
	if err := errors.Join(a.held[0].release(out[0]), a.held[1].release(out[1])); err != nil {
		return err
	}
	defer s.interruptible(ctx, stop, a.marks)()
	released, writeErr := a.feed(stop, script, hold)
	a.clean = a.stream.wait() == nil
	a.cut = a.stream.ended
	released()
	return s.judge(ctx, stop, a, stage, writeErr)
}

// interruptible lets the end of stop interrupt the script, until the function that it returns was called.
func (s *shell) interruptible(ctx, stop context.Context, m *marks) (done func()) {
	interrupted := make(chan struct{})
	disarm := context.AfterFunc(stop, func() {
		defer close(interrupted)
		m.stopped.Store(true)
		if !left(stop) && !left(ctx) {
			s.interrupt(ctx, s.grace.after(context.Cause(stop)))
		}
	})
	return func() {
		// The container may be started again for after_script: nothing of the interruption may be left by then.
		if !disarm() {
			<-interrupted
		}
	}
}

// judge waits for the container's end and says how the script ended: by stop, unless its own end came before.
func (s *shell) judge(ctx, stop context.Context, a *armed, stage string, writeErr error) error {
	code, err := s.finish(ctx, a)
	s.over = err == nil && stop.Err() == nil
	if ferr := a.marks.flush(); err == nil {
		err = ferr
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if stop.Err() != nil && (!a.marks.inTime || left(stop)) {
		return context.Cause(stop)
	}
	return s.verdict(ctx, a, stage, code, writeErr)
}

// verdict believes an exit code only together with the script's own lines: a shell whose stdin is cut before or in the
// script exits 0 too, and the end of an engine or machine leaves codes that scripts give as well.
func (s *shell) verdict(ctx context.Context, a *armed, stage string, code int64, writeErr error) error {
	m := a.marks
	switch {
	case m.ended && m.code == 0:
		return nil
	case m.ended:
		return &ExitError{Stage: stage, Code: m.code, OOMKilled: m.code == 137 && s.oomKilled(ctx)}
	case !m.started && s.alien != nil:
		return s.alien
	case !m.started && a.stuck.Load():
		return fmt.Errorf("%w: the engine was away, and the shell of container %s did not get the script", errUndelivered, s.name)
	case !m.started && writeErr != nil:
		return fmt.Errorf("%w: container %s ended with exit code %d before it took the script (%w)", errNothingRan, s.name, code, writeErr)
	case !m.started:
		return fmt.Errorf("%w: container %s ended with exit code %d and its shell ran nothing; the image needs a shell (sh or bash), and its entrypoint must exec its arguments", errNothingRan, s.name, code)
	case code != 0 && killed(ctx, s.on.docker, s.id):
		return fmt.Errorf("container %s was ended from outside (exit code %d), by `docker kill`, `docker stop` or an engine that stopped: its script did not reach its end", s.name, code)
	case code != 0 && (!a.broken || s.oomKilled(ctx)):
		return &ExitError{Stage: stage, Code: int(code), OOMKilled: s.oomKilled(ctx)}
	}
	if !a.lost.IsZero() {
		return fmt.Errorf("the docker engine went away while the script ran, and container %s ended with that (exit code %d): it was restarted without live-restore, or it crashed; its own log says more (journalctl -u docker)", s.name, code)
	}
	return fmt.Errorf("the script's shell in container %s ended with exit code %d but not by the end of the script", s.name, code)
}

func (s *shell) exitCode(ctx context.Context) (int64, error) {
	res := s.on.docker.ContainerWait(ctx, s.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case w := <-res.Result:
		if w.Error != nil {
			return -1, fmt.Errorf("wait for container %s: %s", s.name, w.Error.Message)
		}
		return w.StatusCode, nil
	case err := <-res.Error:
		if ctx.Err() != nil {
			return -1, context.Cause(ctx)
		}
		return -1, fmt.Errorf("wait for container %s: %w", s.name, err)
	}
}

func (s *shell) oomKilled(ctx context.Context) bool {
	res, err := s.on.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
	return err == nil && res.Container.State != nil && res.Container.State.OOMKilled
}
