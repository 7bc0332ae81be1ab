package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// service creates and starts a service; its value is the container's id.
func (j *Job) service(ctx context.Context, g *graph, s *Service, log Section, network, volumes *future[none]) (string, error) {
	log.Plain("Starting service %s...", s.Title)
	image, err := j.engine.resolve(ctx, s.Image, log)
	if err != nil {
		return "", err
	}
	if err := all(ctx, []*future[none]{network, volumes}); err != nil {
		return "", err
	}
	defer g.span("service " + s.Title)()
	ctx, cancel := steady(ctx)
	defer cancel()
	if s.Prepare != nil {
		if _, err := j.engine.once(ctx, j.plan.OwnImage, s.Prepare, "none", s.Binds...); err != nil {
			return "", fmt.Errorf("prepare the volumes of service %s: %w", s.Title, err)
		}
	}
	id, err := j.engine.create(ctx, &s.Container, image.Create, false, typed(j.plan.Labels, "service"))
	if id != "" {
		j.track(id)
	}
	if err != nil {
		return "", err
	}
	return id, j.engine.start(ctx, id, s.Name)
}

// awaitService waits for a service that says by itself when it is ready: a command in it that ends well, or a line of
// its log. Neither starts a container or polls the engine.
func (j *Job) awaitService(ctx context.Context, g *graph, s *Service, up *future[string]) error {
	id, err := up.get(ctx)
	if err != nil {
		return err
	}
	defer g.span("service " + s.Title + " ready")()
	errTimeout := fmt.Errorf("service %s did not become ready within %v", s.Title, s.Ready.Timeout)
	wctx, cancel := context.WithTimeoutCause(ctx, s.Ready.Timeout, errTimeout)
	defer cancel()
	if s.Ready.Command != nil {
		var out bytes.Buffer
		var code int
		code, err = j.engine.exec(wctx, id, s.Ready.Command, nil, &out, &out)
		if err == nil && code == 0 {
			return nil
		}
	} else if err = j.engine.logLine(wctx, id, s.Ready.LogLine); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return j.engine.whyNotReady(ctx, s, id)
}

// whyNotReady looks at a service that is not ready: whether it ended, and what it said last.
func (e *Engine) whyNotReady(ctx context.Context, s *Service, id string) error {
	se := &ServiceError{Service: s.Title, Waited: s.Ready.Timeout, Log: e.logTail(ctx, id)}
	res, err := e.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("look at service %s, which is not ready: %w", s.Title, err)
	}
	if st := res.Container.State; st != nil && !st.Running {
		se.Exited, se.ExitCode, se.OOMKilled = true, st.ExitCode, st.OOMKilled
	}
	return se
}

// logLine waits until the container's log has a line that contains text.
func (e *Engine) logLine(ctx context.Context, id, text string) error {
	logs, err := e.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
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
func (e *Engine) logTail(ctx context.Context, id string) []byte {
	logs, err := e.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: "40"})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var out bytes.Buffer
	// 64 KiB is what gitlab-runner shows of a service's log.
	_, _ = stdcopy.StdCopy(&out, &out, io.LimitReader(logs, 64<<10))
	return out.Bytes()
}

// target is one service for the prober.
type target struct {
	Service string   `json:"service"`
	Host    string   `json:"host"`
	Ports   []uint16 `json:"ports"`
}

// awaitPorts waits until every service whose readiness is its TCP ports accepts a connection on one of them. One
// container of our own image in the job's network asks for all of them; gitlab-runner starts one per service. As there, a
// service that is not ready is a warning.
func (j *Job) awaitPorts(ctx context.Context, g *graph, log Section, services []*future[string]) error {
	var targets []target
	var timeout time.Duration
	var ids []string
	for i, up := range services {
		s := &j.plan.Services[i]
		if !s.Ready.Ports || s.Ready.Timeout <= 0 {
			continue
		}
		id, err := up.get(ctx)
		if err != nil {
			return err
		}
		ports, err := j.engine.ports(ctx, id)
		if err != nil {
			return err
		}
		if len(ports) == 0 {
			continue
		}
		host, err := j.engine.reachable(ctx, id, s)
		if err != nil {
			return err
		}
		targets = append(targets, target{Service: s.Title, Host: host, Ports: ports})
		ids = append(ids, id)
		timeout = max(timeout, s.Ready.Timeout)
	}
	if len(targets) == 0 {
		return nil
	}
	defer g.span("services ready")()
	log.Plain("Waiting for services to be up and running (timeout %d seconds)...", int(timeout.Seconds()))
	request, err := json.Marshal(targets)
	if err != nil {
		return err
	}
	command := append(append([]string{}, j.plan.Probe...), timeout.String(), string(request))
	out, err := j.engine.once(ctx, j.plan.OwnImage, command, networkOf(&j.plan.Services[0].Container))
	if err != nil {
		return fmt.Errorf("wait for the services' ports: %w", err)
	}
	var failed []int
	if err := json.Unmarshal(out, &failed); err != nil {
		return fmt.Errorf("read the prober's answer %q: %w", out, err)
	}
	for _, i := range failed {
		j.warnService(ctx, log, targets[i], ids[i], timeout)
	}
	return nil
}

// warnService uses gitlab-runner's words, which its users search for.
func (j *Job) warnService(ctx context.Context, log Section, t target, id string, timeout time.Duration) {
	why := fmt.Sprintf("service %q timeout after %v: none of its ports %v accepts a connection", t.Service, timeout, t.Ports)
	res, err := j.engine.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err == nil && res.Container.State != nil && res.Container.State.Status == container.StateExited {
		why = fmt.Sprintf("service %q ended with exit code %d", t.Service, res.Container.State.ExitCode)
	}
	log.Plain("\n\x1b[0;33m*** WARNING:\x1b[0;m Service %s probably didn't start properly.\n\nHealth check error:\n%s\n\nService container logs:\n%s\n\x1b[0;33m*********\x1b[0;m\n",
		strings.TrimPrefix(res.Container.Name, "/"), why, j.engine.logTail(ctx, id))
}

// ports are the TCP ports of a container: the one that HEALTHCHECK_TCP_PORT names, else at most 20 exposed ones.
func (e *Engine) ports(ctx context.Context, id string) ([]uint16, error) {
	res, err := e.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil || res.Container.Config == nil {
		return nil, fmt.Errorf("inspect service container %s: %w", id, err)
	}
	var ports []uint16
	for _, kv := range res.Container.Config.Env {
		name, value, _ := strings.Cut(kv, "=")
		if strings.EqualFold(name, "HEALTHCHECK_TCP_PORT") {
			var n uint16
			if _, err := fmt.Sscanf(value, "%d", &n); err != nil {
				return nil, &ConfigError{fmt.Errorf("HEALTHCHECK_TCP_PORT=%q is not a port number", value)}
			}
			return []uint16{n}, nil
		}
	}
	for p := range res.Container.Config.ExposedPorts {
		if p.Proto() == "tcp" && len(ports) < 20 {
			ports = append(ports, p.Num())
		}
	}
	return ports, nil
}

// networkOf is the network on which a container is reached.
func networkOf(c *Container) string {
	if len(c.Networks) > 0 {
		return c.Networks[0].Network
	}
	return c.Mode
}

// reachable is the name under which the prober finds a service. On a network with the engine's name server it is the
// short id, which stops resolving when the service ends: that is how the prober notices.
func (e *Engine) reachable(ctx context.Context, id string, s *Service) (string, error) {
	switch {
	case len(s.Networks) > 0:
		return id[:12], nil
	case s.Mode == "host":
		return "127.0.0.1", nil
	}
	return e.address(ctx, id, []Attachment{{Network: "bridge"}})
}

// address is a container's address on the first of the networks.
func (e *Engine) address(ctx context.Context, id string, nets []Attachment) (string, error) {
	res, err := e.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("inspect service container %s: %w", id, err)
	}
	if len(nets) > 0 && res.Container.NetworkSettings != nil {
		if a := addressOn(res.Container.NetworkSettings.Networks, nets[0].Network); a != "" {
			return a, nil
		}
	}
	return "", fmt.Errorf("service container %s has no address: it has already ended", id)
}
