package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Job is one Plan on an engine. Call Run once, then Remove.
type Job struct {
	engine *Engine
	plan   *Plan
	log    Log
	shell  *shell
	course
	// ServiceLog, if set before Run, opens a place for a stream (fd 1 or 2) of the log of the plan's service of this index.
	ServiceLog func(service, fd int) io.WriteCloser
	// Spare, if set before Run, is a service that was started before the job: it is used if it fits the plan, and removed if not.
	Spare *Spare
	// Helper, if set before Run, was kept of an earlier job: it is used if it fits the plan, and removed if not.
	Helper *Spare
	// Network, if set before Run, is the one of the plan, kept of an earlier job: if it is not there any more, or in use, it is made anew.
	Network *Spare
	// KeepNetwork, if set before Remove, may keep the job's network for another one of the same Network.Form, once the job's containers
	// are gone. take asks the engine whether nothing is in it. One that is not kept is removed.
	KeepNetwork func(ctx context.Context, form string, take func(context.Context) (*Spare, error)) (kept bool)
	// Stores are those of the services that have started so far.
	Stores StoreSet
	// Fallen are, after Run with the error of a step, the services that had ended before it or lost a process for want of memory.
	Fallen []*ServiceError
	// Hold, if set before Run, is called when the last of the user's steps has ended, or one has failed, in that step's
	// section of the log. Until it returns, or its context ends, the container is as the script left it.
	Hold func(ctx context.Context, log Section)
	// Again, if set before Run, tells whether another try may help a service that ended before it was ready.
	Again func(*ServiceError) bool
	// Grace, if set before Run, is how long a script that is interrupted for this cause has after SIGTERM; otherwise it has TermGrace.
	Grace     func(cause error) time.Duration
	gate      *gate          // for terminals
	following sync.WaitGroup // what copies the logs of services
	// breakdown tells where the start-up's time went; the first step's section shows it.
	breakdown string
	remarks   []string // for the first step's section as well
	imageUser string   // of the build container's image
	// Spans are the parts of the start-up, when Run has returned; none for a job that was not started.
	Spans   []Span
	held    []string // claimed on the way: ids of images, names of stores
	retried bool     // its start-up has failed before
	idle    string   // id of the helper, where nothing is left of the job in it: it lives on until Remove
	// passesOn says that another job can have the network: no call for this one may have been lost, and be obeyed later.
	passesOn bool
}

// NewJob prepares nothing yet, but claims what the plan names: until Remove nobody takes it for a leftover.
func (e *Engine) NewJob(p *Plan, log Log) *Job {
	p.claim(&e.claims)
	return &Job{engine: e, plan: p, log: log, gate: newGate(), course: course{state: State{Nonce: newNonce()}}}
}

// claim takes the plan's network and volumes, and the names of the containers that may be without a label that names their job.
func (p *Plan) claim(c *claims) {
	for _, v := range p.Volumes {
		if v.Temporary {
			c.take(v.Name)
		} else {
			c.use(Use{Volume: v.Name})
		}
	}
	if p.Network != nil {
		c.take(p.Network.Name)
	}
	c.take(p.unnamed()...)
}

// unnamed are the names of the containers that may be older than the job, and that of a spare on its way up.
func (p *Plan) unnamed() []string {
	names := []string{SpareName(p.Name)}
	for _, s := range p.Services {
		names = append(names, s.Name)
	}
	if p.Helper != nil {
		names = append(names, p.Helper.Name)
	}
	return names
}

// unclaim gives back what the job has claimed.
func unclaim(j *Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plan.Network != nil {
		j.engine.claims.drop(j.plan.Network.Name)
	}
	for _, v := range j.plan.Volumes {
		j.engine.claims.drop(v.Name)
	}
	j.engine.claims.drop(j.plan.unnamed()...)
	j.engine.claims.drop(j.held...)
	j.held = nil
	if j.Network != nil { // the start-up did not come to take it
		j.Network.unclaim()
		j.Network = nil
	}
}

// Causes for which the user's steps end early, as the cause of the context that Run takes as steps.
var (
	ErrCanceled    = errors.New("canceled")
	ErrStepTimeout = errors.New("the script took longer than its own timeout")
)

// ErrLeft is the cause with which the context of Run is to be cancelled when another process shall go on with the job: its
// containers stay as they are.
var ErrLeft = errors.New("the job is left to the next process of the runner")

// Run obeys the plan. When it returns every container of the job is dead, but for a helper that can be kept, unless the job is
// left to another process. ctx ends
// everything, with no more than the grace of a script that runs; steps, which ends with it, ends the user's steps only, after which
// after_script and the final tasks still run. The error is the first that matters: of the start-up or a step, then of a final task.
func (j *Job) Run(ctx, steps context.Context) (err error) {
	ctx, unwatch := j.engine.watch(ctx)
	defer unwatch()
	defer func() { err = j.engine.blame(err) }()
	defer j.following.Wait()
	defer func() {
		if err == nil {
			j.idle = idleHelper(ctx, j)
		}
		j.kill(ctx)
	}()
	if err := (adoption{j}).begin(ctx); err != nil {
		return err
	}
	if !j.state.Ready {
		if err := j.begun(ctx, j.prepare(ctx, steps)); err != nil {
			return err
		}
	}
	todo := stages{j}
	if todo.steps(ctx, steps); j.state.Failed && ctx.Err() == nil {
		j.Fallen = fallen(ctx, j)
	}
	todo.afterScript(ctx)
	finish(ctx, j)
	todo.finally(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return j.state.Result.err()
}

// begun notes the end of the start-up. A failed source or artifact download still saves what is to be saved on failure; any
// other failure is the job's end.
func (j *Job) begun(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		giveAway(ctx, j)
		j.save(func(s *State) { s.Ready, s.Stores = true, j.Stores.Names() })
	case isTaskError(err):
		j.save(func(s *State) { s.Ready = true })
		j.end(len(j.plan.Steps)+1, err, true)
	default:
		return err
	}
	return nil
}

// errRefused is wrapped by the error of a helper of another version.
var errRefused = errors.New("it does not understand the request")

// taskError marks the failure of a helper stage.
type taskError struct{ error }

func (t taskError) Unwrap() error { return t.error }

func isTaskError(err error) bool { return errors.As(err, &taskError{}) }

// task runs one stage in the helper; again if another process has begun it.
func (j *Job) task(ctx context.Context, t Task, again bool) error {
	if j.state.Helper == "" {
		return nil
	}
	var section Section = discard{}
	if t.Section != "" {
		section = j.log(t.Section, t.Title)
		defer section.Close()
	}
	if again {
		warn(section, "The runner was restarted: this stage begins again")
	}
	ctx, cancel := limited(ctx, t.Timeout, t.Section)
	defer cancel()
	code, err := helperStage(ctx, j.engine, j.state.Helper, j.plan.Helper.Command, t.Request, section)
	late, isLate := errors.AsType[*LimitError](err)
	tellTimeout(ctx, section, t.Section)
	switch {
	case isLate:
		return late
	case err != nil:
		return fmt.Errorf("run %s in the helper: %w", t.Section, err)
	case code != 0 && code == j.plan.Helper.Refusal:
		return fmt.Errorf("run %s in the helper: %w; its image %s must be of the runner's own version (helper_image)", t.Section, errRefused, j.plan.OwnImage)
	case code != 0 && t.Prepares:
		return fmt.Errorf("prepare environment: %w", &ExitError{Stage: t.Section, Code: code})
	case code != 0:
		return taskError{&ExitError{Stage: t.Section, Code: code}}
	}
	return nil
}

// cleanupTimeout bounds the removal of a job's things (docker-executor contract 2.11); an engine that hangs gets less, since
// the job's slot waits for it.
const (
	cleanupTimeout     = 5 * time.Minute
	cleanupHungTimeout = 20 * time.Second
)

func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := cleanupTimeout
	if away(context.Cause(ctx)) {
		timeout = cleanupHungTimeout
	}
	return context.WithTimeoutCause(context.WithoutCancel(ctx), timeout, fmt.Errorf("removing the job's containers took longer than %v", timeout))
}

// kill ends all containers: before the job's ending is told to GitLab nothing of it may run, or an old sidecar could hold
// the slot's volumes when the next job starts. What the job must not leave there is removed before. A job that is left goes on.
func (j *Job) kill(ctx context.Context) {
	if !left(ctx) {
		stages{j}.cleanUp(ctx)
		j.Kill(ctx)
	}
}

// Kill ends all containers of a job that Run has left.
func (j *Job) Kill(ctx context.Context) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	_ = j.each(func(id string) error {
		if id == j.idle || j.shell != nil && j.shell.over && id == j.shell.id {
			return nil
		}
		return j.engine.containers.kill(ctx, id)
	})
}

// removePause is how long an engine that is away is left alone before it is asked again to remove a job's things.
const removePause = time.Second

// Remove removes the job's containers, temporary volumes and network. Everything is tried; the errors are joined. An engine
// that is away, as while it restarts, is asked again and again until the end of ctx: nobody else would do it before the
// runner's next start.
func (j *Job) Remove(ctx context.Context) error {
	defer unclaim(j)
	return undo(ctx, j)
}

// undo is Remove for a job that begins again: what it has claimed stays so.
func undo(ctx context.Context, j *Job) error {
	bound, cancel := cleanup(ctx)
	defer cancel()
	for {
		err := j.remove(bound)
		if !away(err) {
			return err
		}
		if ctx.Err() != nil || pause(bound, removePause) != nil {
			return err
		}
	}
}

func (j *Job) remove(ctx context.Context) error {
	errs := []error{j.each(func(id string) error { return removeContainer(ctx, j.engine.docker, id, !j.plan.KeepAnonymous) })}
	for _, v := range j.plan.Volumes {
		if v.Temporary {
			errs = append(errs, j.engine.volumes.remove(ctx, v.Name))
		}
	}
	j.passesOn = j.passesOn && errors.Join(errs...) == nil
	if j.plan.Network != nil && !passOnNetwork(ctx, j) {
		errs = append(errs, j.engine.networks.remove(ctx, j.plan.Network.Name))
	}
	return errors.Join(errs...)
}
