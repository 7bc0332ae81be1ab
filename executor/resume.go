package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Resumed is what another process left of a job.
type Resumed struct {
	State State
	// Continue goes on with a section of the job's log that was open; nil if it was not. Its streams leave out what the log has.
	Continue func(name string) Section
	// Rebooted says that the engine's machine was started anew meanwhile: what its containers left may be damaged.
	Rebooted bool
}

// ResumeJob goes on with a job that another process began: Run adopts its containers where its start-up was over, and begins
// it once more where it was not, since nothing of the user's steps has run then. Scripts of which the start was seen are
// never repeated, and helper stages are repeated from their beginning.
func ResumeJob(e *Engine, p *Plan, log Log, r Resumed) *Job {
	p.claim(&e.claims)
	j := &Job{engine: e, plan: p, log: log, gate: newGate(), course: course{state: r.State, resumed: &r}}
	if j.state.Nonce == "" {
		j.state.Nonce = newNonce()
	}
	for _, name := range r.State.Stores {
		j.Stores.add(name)
	}
	// A service that was started before its job has no label that names it.
	e.claims.take(r.State.Containers...)
	j.held = append(j.held, r.State.Containers...)
	return j
}

// What ends a job whose containers did not live through a start of their machine.
var (
	errRebooted        = errors.New("the machine was restarted while this job was running")
	ErrRebootedAtStart = errors.New("the machine was restarted while this job was being prepared")
)

// adoption takes a job over from another process.
type adoption struct{ *Job }

// begin takes over what another process left; there is nothing to do for a new job.
func (j adoption) begin(ctx context.Context) error {
	r := j.resumed
	switch {
	case r == nil:
		return nil
	case r.Rebooted && !j.state.Ready:
		// Its clean-up and removal need what the other process may have made. No id was written down yet.
		for _, name := range j.plan.containers() {
			j.track(name)
		}
		if j.plan.Helper != nil {
			j.state.Helper = j.plan.Helper.Name
		}
		return ErrRebootedAtStart
	case r.Rebooted:
		return errors.Join(errRebooted, j.salvage(ctx))
	case !j.state.Ready:
		section := j.log("prepare_executor", `Preparing the "docker" executor`)
		defer section.Close()
		warn(section, "The runner was restarted before the job's script began: the preparation begins again")
		return j.discardAll(ctx)
	}
	for i, id := range j.state.Services {
		j.follow(ctx, i, id)
	}
	if j.state.Build == "" || j.state.Next > len(j.plan.Steps) {
		return nil
	}
	j.shell = j.newShell(j.state.Build)
	if j.state.Begun {
		return nil // script looks for it
	}
	return again(ctx, j.engine, j.shell.settle)
}

// newShell is the build container of this id.
func (j *Job) newShell(id string) *shell {
	b := &j.plan.Build
	return &shell{
		on: j.engine.containers, id: id, name: b.Name, image: b.Image.Ref, nonce: j.state.Nonce,
		gate: j.gate, nativeStop: b.NativeStop, startIn: j.engine.patience.start, grace: j.Grace, begun: func() { j.save(func(s *State) { s.Started = true }) },
	}
}

// discardTries bounds how often what is left is looked for, with a removePause between: a slow engine makes what a killed process
// has asked for only after a while, and until then it has a hold on what it will use.
const discardTries = 20

func (j adoption) discardAll(ctx context.Context) error {
	for try := 1; ; try++ {
		err := again(ctx, j.engine, j.discard)
		if err == nil || away(err) || try == discardTries || pause(ctx, removePause) != nil {
			return err
		}
	}
}

// discard removes what another process may have made while it prepared the job, by name: it may have died before it knew an
// id.
func (j adoption) discard(ctx context.Context) error {
	var errs []error
	for _, name := range j.plan.containers() {
		errs = append(errs, j.engine.containers.remove(ctx, name))
	}
	if err := errors.Join(append(errs, undo(ctx, j.Job))...); err != nil {
		return fmt.Errorf("remove what was prepared of the job: %w", err)
	}
	j.forget()
	return nil
}

// containers are the names of all that the start-up of a job may have made.
func (p *Plan) containers() []string {
	names := []string{p.Name + "-fill", p.Name + "-open", SpareName(p.Name), p.Build.Name}
	if p.Helper != nil {
		names = append(names, p.Helper.Name)
	}
	for _, s := range p.Services {
		names = append(names, s.Name)
	}
	return names
}

// salvage takes what a script has written before the machine's end out of the engine's log.
func (j adoption) salvage(ctx context.Context) error {
	n := j.state.Next
	if !j.state.Ready || !j.state.Begun || n > len(j.plan.Steps) {
		return nil
	}
	s := j.plan.After
	if n < len(j.plan.Steps) {
		s = &j.plan.Steps[n]
	}
	section := stages(j).open(n, s)
	defer section.Close()
	out, sh := streams(section), j.newShell(j.state.Build)
	sh.read = j.state.Used
	return sh.rejoin(ctx, sh.newArmed(out[0], out[1]))
}

// adopt waits for the end of a script that another process delivered. Its output is given from the script's beginning.
func (s *shell) adopt(ctx, stop context.Context, stage string, out [2]io.Writer, state *State) error {
	ctx = s.grace.outlast(ctx)
	s.read = state.Used
	a := s.newArmed(out[0], out[1])
	a.broken = true
	a.marks.started = state.Started
	defer s.interruptible(ctx, stop, a.marks)()
	s.gate.set(s.id)
	defer s.gate.set("")
	res, err := s.on.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
	if err == nil && res.Container.State != nil && res.Container.State.Running {
		a.clean = s.rejoin(ctx, a) == nil
	}
	return s.judge(ctx, stop, a, stage, nil)
}

// settle waits for a container that was started but never got a script, and counts what it wrote.
func (s *shell) settle(ctx context.Context) error {
	a := s.newArmed(io.Discard, io.Discard)
	if _, running, err := s.ended(ctx, a); err != nil {
		return err
	} else if running { // its shell waits for the stdin of a process that is gone
		if err := s.on.kill(ctx, s.id); err != nil {
			return err
		}
	}
	return s.rejoin(ctx, a)
}

// endPause is how long a container may take to end after its output has.
const endPause = 5 * time.Second

// finish waits for the end of the container and of its output. Where the connection to them breaks, as it does when the engine
// is restarted while its containers go on, the rest of the output comes from the engine's log.
func (s *shell) finish(ctx context.Context, a *armed) (code int64, err error) {
	for whole := false; ; {
		code, running, err := s.ended(ctx, a)
		switch {
		case err != nil:
			return -1, err
		case !running && (whole || a.clean && a.marks.ended):
			return code, nil
		}
		a.broken = a.broken || running
		err = s.rejoin(ctx, a)
		if err != nil && (ctx.Err() != nil || a.in[0].err != nil || a.in[1].err != nil || !away(err)) {
			return -1, err
		}
		a.clean = err == nil
		whole = !running && a.clean
	}
}

// ended waits a moment for the container's end; running says that it goes on. An engine that is away is waited for.
func (s *shell) ended(ctx context.Context, a *armed) (code int64, running bool, err error) {
	for {
		moment, cancel := context.WithTimeoutCause(ctx, endPause, errStillRuns)
		code, err := s.exitCode(moment)
		cancel()
		switch {
		case err == nil:
			a.away = false
			return code, false, nil
		case ctx.Err() != nil:
			return -1, false, context.Cause(ctx)
		case errors.Is(err, errStillRuns):
			a.away = false
			return -1, true, nil
		case errdefs.IsNotFound(err):
			return -1, false, removed(s.name)
		case !away(err):
			return -1, false, err
		}
		a.broken, a.clean = true, false
		if !a.away {
			a.away, a.lost = true, a.cut
		}
		if err := pause(ctx, removePause); err != nil {
			return -1, false, err
		}
	}
}

var errStillRuns = errors.New("the container still runs")

func left(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrLeft) }
