package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ServiceError says that a service the job cannot do without ended, or did not become ready in time.
type ServiceError struct {
	Service   string // as the job names it
	Removed   bool   // from outside, with its log
	Exited    bool
	ExitCode  int
	OOMKilled bool
	Waited    time.Duration
	Log       []byte // the end of its log
}

func (e *ServiceError) Error() string {
	switch {
	case e.Removed:
		return fmt.Sprintf("service %s was removed from outside while the job ran, as by `docker rm`", e.Service)
	case e.Exited:
		return fmt.Sprintf("service %s ended with exit code %d before it was ready", e.Service, e.ExitCode)
	}
	return fmt.Sprintf("service %s did not become ready within %v", e.Service, e.Waited)
}

// serviceRun is a service on its way up.
type serviceRun struct {
	*starter
	index int
	svc   *Service
	image resolved
	alien error // why an image for another platform does not run
}

// resolve gets the image.
func (r *serviceRun) resolve(ctx context.Context) (resolved, error) {
	r.log.Plain("Starting service %s...", r.svc.Title)
	return ensure(ctx, r.starter, r.svc.Image)
}

// up creates and starts the service, unless a spare is it; its value is the container's id. One that has a store is ready as
// well: until then the container may be replaced.
func (r *serviceRun) up(job, ctx context.Context) (id string, err error) {
	if r.image, err = r.images[r.index].get(ctx); err != nil {
		return "", err
	}
	// A spare that does not fit has to be gone: it may hold the same store.
	if taken, err := r.spare.get(ctx); err != nil || taken && r.offer.index == r.index {
		if err == nil {
			id = r.offer.spare.container
			r.state.Services[r.index] = id
			r.log.Plain("Service %s was started before the job", r.svc.Title)
			r.follow(job, r.index, id)
		}
		return id, err
	}
	svc := r.svc
	r.alien = r.warnForeign(svc.Image, r.image)
	if err := all(ctx, []*future[none]{r.network, r.volumes}); err != nil {
		return "", err
	}
	defer r.graph.span("service", svc.Title)()
	if svc.Prepare != nil {
		if _, err := r.engine.containers.once(ctx, r.plan.OwnImage, svc.Prepare, "none", svc.Binds...); err != nil {
			return "", fmt.Errorf("prepare the volumes of service %s: %w", svc.Title, err)
		}
	}
	if svc.Store != nil {
		return r.stored(job, ctx)
	}
	return r.start(job, ctx)
}

// start creates and starts the container, with binds in addition to the service's own.
func (r *serviceRun) start(job, ctx context.Context, binds ...string) (string, error) {
	c := r.svc.Container
	c.Binds = append(slices.Clone(c.Binds), binds...)
	if r.svc.Ready.Ports {
		c.StartChecks = r.svc.Ready.Timeout
	}
	id, err := r.create(ctx, &c, r.image.Create, false, typed(r.plan.Labels, "service"))
	if err != nil {
		return "", err
	}
	if r.alien != nil {
		r.aliens.Store(id, r.alien)
	}
	if err := r.engine.containers.start(ctx, id, c.Name); err != nil {
		if r.alien != nil && strings.Contains(err.Error(), "exec format error") {
			return "", r.alien
		}
		return "", err
	}
	r.state.Services[r.index] = id
	r.follow(job, r.index, id)
	return id, nil
}

// await waits until the service is ready. One that was brought up on its store is.
func (r *serviceRun) await(ctx context.Context, up *future[string]) error {
	id, err := up.get(ctx)
	if err != nil {
		return err
	}
	if taken, err := r.spare.get(ctx); err != nil || r.svc.Store != nil && !taken {
		return err
	}
	return r.ready(ctx, id)
}

// ready waits for a service that says by itself when it is ready: a command in it that ends well, or a line of its log.
// Neither starts a container or polls the engine.
func (r *serviceRun) ready(ctx context.Context, id string) error {
	svc := r.svc
	defer r.graph.span("service ready", svc.Title)()
	on := r.engine.containers
	errTimeout := fmt.Errorf("service %s did not become ready within %v", svc.Title, svc.Ready.Timeout)
	wait, cancel := context.WithTimeoutCause(ctx, svc.Ready.Timeout, errTimeout)
	defer cancel()
	code, err := 127, error(nil) // a shell's for no such command
	if len(svc.Ready.Command) > 0 {
		code, err = on.exec(wait, id, svc.Ready.Command, nil, io.Discard, io.Discard)
	}
	if err == nil && code == 0 {
		return nil
	}
	// The image has no shell or no such command: its log tells.
	if err != nil || code == 126 || code == 127 {
		if err := on.logLine(wait, id, svc.Ready.LogLine); err == nil {
			if svc.Store != nil {
				warn(r.log, "the image of service %s has no command to tidy up with, so it starts with all that the last job left in it", svc.Title)
			}
			return nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if wait.Err() == nil {
		awaitEnd(wait, on.docker, id)
	}
	err = on.whyNotReady(ctx, svc, id)
	if alien, ok := r.aliens.Load(id); ok && bytes.Contains(on.logTail(ctx, id), []byte("exec format error")) {
		return alien.(error)
	}
	return err
}

// awaitEnd waits for the end of a container whose processes were seen to end: an exec in it, or its log, ends a moment
// before the engine says so of the container. The bound is for a probe that failed although the container lives on.
func awaitEnd(ctx context.Context, docker *client.Client, id string) {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Second, errors.New("the container did not end"))
	defer cancel()
	res := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-res.Result:
	case <-res.Error:
	}
}

// whyNotReady looks at a service that is not ready: whether it ended, and what it said last.
func (s containers) whyNotReady(ctx context.Context, svc *Service, id string) error {
	se := &ServiceError{Service: svc.Title, Waited: svc.Ready.Timeout, Log: s.logTail(ctx, id)}
	res, err := s.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("look at service %s, which is not ready: %w", svc.Title, err)
	}
	if st := res.Container.State; st != nil && !st.Running {
		se.Exited, se.ExitCode, se.OOMKilled = true, st.ExitCode, st.OOMKilled
	}
	return se
}

// logLine waits until the container's log has a line that contains text.
func (s containers) logLine(ctx context.Context, id, text string) error {
	logs, err := s.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		return err
	}
	defer logs.Close()
	found := &lookFor{text: []byte(text)}
	if _, err := stdcopy.StdCopy(found, found, logs); err != nil && !found.yes {
		return err
	}
	if !found.yes {
		return fmt.Errorf("its log ended without %q", text)
	}
	return nil
}

// lookFor ends a copy once the text went by.
type lookFor struct {
	text, seen []byte
	yes        bool
}

func (l *lookFor) Write(p []byte) (int, error) {
	l.seen = append(l.seen, p...)
	if bytes.Contains(l.seen, l.text) {
		l.yes = true
		return 0, io.EOF
	}
	l.seen = l.seen[max(0, len(l.seen)-len(l.text)):]
	return len(p), nil
}

// logTail is the end of a container's log, with timestamps; empty where the engine has none.
func (s containers) logTail(ctx context.Context, id string) []byte {
	logs, err := s.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: "40"})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var out bytes.Buffer
	// 64 KiB is what gitlab-runner shows of a service's log.
	_, _ = stdcopy.StdCopy(&out, &out, io.LimitReader(logs, 64<<10))
	return out.Bytes()
}
