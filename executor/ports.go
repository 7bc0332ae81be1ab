package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// target is one service for the prober.
type target struct {
	Service string   `json:"service"`
	Host    string   `json:"host"`
	Ports   []uint16 `json:"ports"`
}

// awaitPorts waits until every service whose readiness is its TCP ports accepts a connection on one of them. One
// container of our own image in the job's network asks for all of them; gitlab-runner starts one per service. As there, a
// service that is not ready is a warning.
func (s *starter) awaitPorts(ctx context.Context) error {
	on := s.engine.containers
	var targets []target
	var timeout time.Duration
	var ids []string
	var network string
	for i, up := range s.services {
		svc := &s.plan.Services[i]
		if !svc.Ready.Ports || svc.Ready.Timeout <= 0 {
			continue
		}
		id, err := up.get(ctx)
		if err != nil {
			return err
		}
		ports, err := on.ports(ctx, id, svc.Ready.Timeout)
		if err != nil {
			return err
		}
		if len(ports) == 0 {
			continue
		}
		host, err := on.reachable(ctx, id, svc)
		if err != nil {
			return err
		}
		if host == "" {
			s.warnService(ctx, svc.Title, id, "")
			continue
		}
		targets = append(targets, target{Service: svc.Title, Host: host, Ports: ports})
		ids = append(ids, id)
		network = networkOf(&svc.Container)
		timeout = max(timeout, svc.Ready.Timeout)
	}
	if len(targets) == 0 {
		return nil
	}
	defer s.graph.span("services ready")()
	s.log.Plain("Waiting for services to be up and running (timeout %d seconds)...", int(timeout.Seconds()))
	request, err := json.Marshal(targets)
	if err != nil {
		return err
	}
	command := append(append([]string{}, s.plan.Probe...), timeout.String(), string(request))
	out, err := on.once(ctx, s.plan.OwnImage, command, network)
	if err != nil {
		return fmt.Errorf("wait for the services' ports: %w", err)
	}
	var failed []int
	if err := json.Unmarshal(out, &failed); err != nil {
		return fmt.Errorf("read the prober's answer %q: %w", out, err)
	}
	for _, i := range failed {
		t := targets[i]
		s.warnService(ctx, t.Service, ids[i], fmt.Sprintf("service %q timeout after %v: none of its ports %v accepts a connection", t.Service, timeout, t.Ports))
	}
	return nil
}

// warnService says why a service is not ready, unless it has ended. The words are gitlab-runner's, which its users search for.
func (s *starter) warnService(ctx context.Context, service, id, why string) {
	res, err := s.engine.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err == nil && res.Container.State != nil && res.Container.State.Status == container.StateExited {
		why = fmt.Sprintf("service %q ended with exit code %d", service, res.Container.State.ExitCode)
	}
	if alien, ok := s.aliens.Load(id); ok {
		why += ": " + alien.(error).Error()
	}
	s.log.Plain("\n\x1b[0;33m*** WARNING:\x1b[0;m Service %s probably didn't start properly.\n\nHealth check error:\n%s\n\nService container logs:\n%s\n\x1b[0;33m*********\x1b[0;m\n",
		strings.TrimPrefix(res.Container.Name, "/"), why, s.engine.containers.logTail(ctx, id))
}

// ports are the TCP ports of a container: the one that HEALTHCHECK_TCP_PORT names, else at most 20 exposed ones; none where
// a health check says more.
func (s containers) ports(ctx context.Context, id string, wait time.Duration) ([]uint16, error) {
	res, err := s.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
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
	if checked(res.Container.Config, wait) {
		return nil, nil
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
	switch {
	case len(c.Networks) > 0:
		return c.Networks[0].Network
	case c.Mode == "" || c.Mode == "default":
		return "bridge"
	}
	return c.Mode
}

// reachable is the name under which the prober finds a service. On a network with the engine's name server it is the
// short id, which stops resolving when the service ends: that is how the prober notices. Empty: it has ended already.
func (s containers) reachable(ctx context.Context, id string, svc *Service) (string, error) {
	switch {
	case len(svc.Networks) > 0:
		return id[:12], nil
	case svc.Mode == "host":
		return "127.0.0.1", nil
	}
	return s.address(ctx, id, networkOf(&svc.Container))
}

// address is a container's address on a network; empty once it has ended.
func (s containers) address(ctx context.Context, id, network string) (string, error) {
	res, err := s.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("inspect service container %s: %w", id, err)
	}
	// The networks map, since the top-level field is deprecated.
	if set := res.Container.NetworkSettings; set != nil && set.Networks[network] != nil {
		if a := set.Networks[network].IPAddress; a.IsValid() {
			return a.String(), nil
		}
	}
	return "", nil
}
