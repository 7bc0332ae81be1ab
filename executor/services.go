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
	Exited    bool
	ExitCode  int
	OOMKilled bool
	Waited    time.Duration
	Log       []byte // the end of its log
}

func (e *ServiceError) Error() string {
	if e.Exited {
		return fmt.Sprintf("service %s ended with exit code %d before it was ready", e.Service, e.ExitCode)
	}
	return fmt.Sprintf("service %s did not become ready within %v", e.Service, e.Waited)
}

// service creates and starts a service; its value is the container's id. One that has a store is ready as well: until
// then the container may be replaced.
func (s *starter) service(job, ctx context.Context, index int) (string, error) {
	svc := &s.plan.Services[index]
	s.log.Plain("Starting service %s...", svc.Title)
	image, err := ensure(ctx, s, svc.Image)
	if err != nil {
		return "", err
	}
	alien := s.warnForeign(svc.Image, image)
	if err := all(ctx, []*future[none]{s.network, s.volumes}); err != nil {
		return "", err
	}
	defer s.graph.span("service", svc.Title)()
	if svc.Prepare != nil {
		if _, err := s.engine.containers.once(ctx, s.plan.OwnImage, svc.Prepare, "none", svc.Binds...); err != nil {
			return "", fmt.Errorf("prepare the volumes of service %s: %w", svc.Title, err)
		}
	}
	run := &serviceRun{starter: s, index: index, svc: svc, image: image, alien: alien}
	if svc.Store != nil {
		return run.stored(job, ctx)
	}
	return run.start(job, ctx)
}

// serviceRun is a service on its way up.
type serviceRun struct {
	*starter
	index int
	svc   *Service
	image resolved
	alien error // why an image for another platform does not run
}

// start creates and starts the container, with binds in addition to the service's own.
func (r *serviceRun) start(job, ctx context.Context, binds ...string) (string, error) {
	c := r.svc.Container
	c.Binds = append(slices.Clone(c.Binds), binds...)
	if r.svc.Ready.Ports {
		c.StartChecks = r.svc.Ready.Timeout
	}
	id, err := r.create(ctx, &c, r.image.Create, false, "service")
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
	r.follow(job, r.index, id)
	return id, nil
}

// awaitService waits for a service that says by itself when it is ready: a command in it that ends well, or a line of
// its log. Neither starts a container or polls the engine.
func (s *starter) awaitService(ctx context.Context, svc *Service, up *future[string]) error {
	id, err := up.get(ctx)
	if err != nil || svc.Store != nil {
		return err
	}
	return (&serviceRun{starter: s, svc: svc}).ready(ctx, id)
}

// ready is awaitService for a container.
func (s *serviceRun) ready(ctx context.Context, id string) error {
	svc := s.svc
	defer s.graph.span("service ready", svc.Title)()
	on := s.engine.containers
	errTimeout := fmt.Errorf("service %s did not become ready within %v", svc.Title, svc.Ready.Timeout)
	wait, cancel := context.WithTimeoutCause(ctx, svc.Ready.Timeout, errTimeout)
	defer cancel()
	code, err := on.exec(wait, id, svc.Ready.Command, nil, io.Discard, io.Discard)
	if err == nil && code == 0 {
		return nil
	}
	// The image has no shell or no such command: its log tells.
	if err != nil || code == 126 || code == 127 {
		if err := on.logLine(wait, id, svc.Ready.LogLine); err == nil {
			if svc.Store != nil {
				warn(s.log, "the image of service %s has no command to tidy up with, so it starts with all that the last job left in it", svc.Title)
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
	if alien, ok := s.aliens.Load(id); ok && bytes.Contains(on.logTail(ctx, id), []byte("exec format error")) {
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
