package executor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// ConfigError says that the engine refused a container as it was asked for: the job's or the runner's configuration is
// wrong, and trying again cannot help.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// logConfig is the log driver of every container: json-file is not byte-exact (bytes that are not UTF-8 become U+FFFD),
// and local's default keeps a part only (67 of 150 MB). One file, far above any output_limit, yet no board's whole disk: an
// endless printer fills it and starts it anew.
func logConfig() container.LogConfig {
	return container.LogConfig{Type: "local", Config: map[string]string{"max-file": "1", "compress": "false", "max-size": "1g"}}
}

// containers makes, runs and removes containers.
type containers struct {
	docker *client.Client
	owner  string
	claims *claims
}

// create makes a container of the job.
func (s containers) create(ctx context.Context, c *Container, image string, interactive bool, labels map[string]string) (string, error) {
	host, err := hostConfig(c)
	if err != nil {
		return "", &ConfigError{err}
	}
	linked, err := linked(ctx, s.docker, c)
	if err != nil {
		return "", err
	}
	host.ExtraHosts = append(slices.Clone(host.ExtraHosts), linked...)
	opts := client.ContainerCreateOptions{
		Name:       c.Name,
		Platform:   platform(c.Image.Platform),
		Config:     config(c, image, interactive, labels),
		HostConfig: host,
	}
	opts.Config.Healthcheck = startCheck(s.docker.ClientVersion(), c.StartChecks)
	if c.Unchecked {
		opts.Config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
	if len(c.Networks) > 0 {
		first := c.Networks[0]
		opts.HostConfig.NetworkMode = container.NetworkMode(first.Network)
		opts.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			first.Network: {Aliases: first.Aliases},
		}}
	}
	if mac := c.Options.MACAddress; mac != "" && knowsMAC(s.docker) {
		if err := setMAC(&opts, mac); err != nil {
			return "", &ConfigError{err}
		}
	}
	res, err := s.docker.ContainerCreate(ctx, opts)
	for errdefs.IsConflict(err) && freeName(ctx, s, c.Name) == nil {
		res, err = s.docker.ContainerCreate(ctx, opts)
	}
	switch {
	case errdefs.IsInvalidArgument(err):
		return "", &ConfigError{fmt.Errorf("the engine refused container %s: %w", c.Name, err)}
	case err != nil:
		return "", fmt.Errorf("create container %s: %w", c.Name, err)
	}
	for _, a := range c.Networks[min(1, len(c.Networks)):] {
		_, err := s.docker.NetworkConnect(ctx, a.Network, client.NetworkConnectOptions{
			Container: res.ID, EndpointConfig: &network.EndpointSettings{Aliases: a.Aliases},
		})
		if err != nil {
			return res.ID, fmt.Errorf("connect container %s to network %s: %w", c.Name, a.Network, err)
		}
	}
	return res.ID, nil
}

func config(c *Container, image string, interactive bool, labels map[string]string) *container.Config {
	all := maps.Clone(labels)
	maps.Copy(all, c.Labels)
	return &container.Config{
		Image: image, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, User: c.User, Hostname: c.Hostname, Labels: all,
		OpenStdin: interactive, StdinOnce: interactive, AttachStdin: interactive, AttachStdout: interactive, AttachStderr: interactive,
	}
}

// kill ends a container at once; one that does not run is fine.
func (s containers) kill(ctx context.Context, id string) error {
	_, err := s.docker.ContainerKill(ctx, id, client.ContainerKillOptions{})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("kill container %s: %w", id, err)
	}
	return nil
}

// remove removes a container with its anonymous volumes; one that is gone, or going, is fine.
func (s containers) remove(ctx context.Context, id string) error {
	return removeContainer(ctx, s.docker, id, true)
}

func removeContainer(ctx context.Context, docker *client.Client, id string, anonymous bool) error {
	_, err := docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: anonymous})
	if err != nil && !errdefs.IsNotFound(err) && !strings.Contains(err.Error(), "already in progress") {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}
