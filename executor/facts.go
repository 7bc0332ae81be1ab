package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// Facts is what a job's plan must know of the engine and its host. It is learnt once, and again when a ping of
// the engine has failed, its version has changed, or it has read its configuration again.
type Facts struct {
	Host               string // the engine's host name
	Version            string // of the engine
	Platform           string // os/arch, in Go's words
	MTU                int    // bytes, of the host's default route; 0 = unknown
	DNS, DNSSearch     []string
	Mirrors            []string
	InsecureRegistries []string
	CertsD             bool // the host has /etc/docker/certs.d
	LibModules         bool // the host has /lib/modules
	Remaps             bool // root in a container is another user on the host (userns-remap)
	Rootless           bool // the engine runs without root
	// The proxies by which the engine pulls; empty: none.
	HTTPProxy, HTTPSProxy, NoProxy string
}

// seen is what `helper facts` prints from inside a container.
type seen struct {
	MTU    int      `json:"mtu"`
	DNS    []string `json:"dns"`
	Search []string `json:"search"`
}

// Facts asks the engine and, since the host's route and resolvers cannot be seen from inside the runner's container, two
// short containers of our own image: one in the host's network for the MTU, one on the default bridge for the resolvers
// that containers get. command is the helper's command that prints them.
func (e *Engine) Facts(ctx context.Context, ownImage string, command []string) (*Facts, error) {
	return patiently(ctx, e, func() (*Facts, error) { return learn(ctx, e, ownImage, command) })
}

func learn(ctx context.Context, e *Engine, ownImage string, command []string) (*Facts, error) {
	e.learning.Lock() // who asks at the same time waits for the answer
	defer e.learning.Unlock()
	known, forgotten := e.learnt.get()
	if known != nil {
		// The engine has no start time. One that was away for a moment may be an upgraded one; its version is a matter of a
		// millisecond, all the rest one of tens.
		v, err := e.docker.ServerVersion(ctx, client.ServerVersionOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask the docker engine for its version: %w", err)
		}
		if v.Version == known.Version {
			return known, nil
		}
	}
	info, err := e.docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the docker engine for its configuration: %w", err)
	}
	f := &Facts{Host: info.Info.Name, Version: info.Info.ServerVersion, Platform: "linux/" + goArch(info.Info.Architecture)}
	f.HTTPProxy, f.HTTPSProxy, f.NoProxy = info.Info.HTTPProxy, info.Info.HTTPSProxy, info.Info.NoProxy
	f.Remaps, f.Rootless = slices.Contains(info.Info.SecurityOptions, "name=userns"), slices.Contains(info.Info.SecurityOptions, "name=rootless")
	if rc := info.Info.RegistryConfig; rc != nil {
		f.Mirrors = rc.Mirrors
		for _, cidr := range rc.InsecureRegistryCIDRs {
			f.InsecureRegistries = append(f.InsecureRegistries, cidr.String())
		}
		for name, index := range rc.IndexConfigs {
			if index != nil && !index.Secure {
				f.InsecureRegistries = append(f.InsecureRegistries, name)
			}
		}
	}
	var host, bridge seen
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.containers.look(gctx, ownImage, command, "host", &host) })
	g.Go(func() error { return e.containers.look(gctx, ownImage, command, "bridge", &bridge) })
	for dir, has := range map[string]*bool{"/etc/docker/certs.d": &f.CertsD, "/lib/modules": &f.LibModules} {
		g.Go(func() (err error) {
			*has, err = e.containers.hostHas(gctx, ownImage, dir)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	f.MTU, f.DNS, f.DNSSearch = host.MTU, bridge.DNS, bridge.Search
	e.learnt.keep(f, forgotten)
	return f, nil
}

func (s containers) look(ctx context.Context, image string, command []string, network string, into *seen) error {
	out, err := s.once(ctx, image, command, network)
	switch {
	case err != nil:
	case len(out) == 0: // the engine ended the connection, or the container
		err = io.ErrUnexpectedEOF
	default:
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		return fmt.Errorf("learn the network's facts from a container of %s in network %s: %w", image, network, err)
	}
	return nil
}

// once runs a command in a short container of our own image and returns its stdout.
func (s containers) once(ctx context.Context, image string, command []string, network string, binds ...string) ([]byte, error) {
	return runOnce(ctx, s, image, command, &container.HostConfig{NetworkMode: container.NetworkMode(network), UsernsMode: usersOf(false, network), Binds: binds, LogConfig: logConfig()})
}

// runOnce is once for a container that is not an ordinary one.
func runOnce(ctx context.Context, s containers, image string, command []string, host *container.HostConfig) ([]byte, error) {
	id, remove, err := momentary(ctx, s, client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Entrypoint: command[:1], Cmd: command[1:], Labels: map[string]string{LabelOwner: s.owner}, AttachStdout: true, AttachStderr: true},
		HostConfig: host,
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = remove() }()
	var out, errs bytes.Buffer
	stream, err := s.attach(ctx, id, &out, &errs)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx, id, image); err != nil {
		stream.abandon()
		return nil, err
	}
	if err := stream.wait(); err != nil {
		return nil, err
	}
	if errs.Len() > 0 {
		return nil, errors.New(strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// hostHas reports whether a directory exists on the engine's host: a mount (unlike a bind) of what does not is refused
// at creation, so a container that is never started tells.
func (s containers) hostHas(ctx context.Context, image, dir string) (bool, error) {
	_, remove, err := momentary(ctx, s, client.ContainerCreateOptions{
		Config: &container.Config{Image: image, Cmd: []string{"true"}, Labels: map[string]string{LabelOwner: s.owner}},
		HostConfig: &container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{
			{Type: mount.TypeBind, Source: dir, Target: "/seen", ReadOnly: true},
		}},
	})
	switch {
	case err == nil:
		_ = remove()
		return true, nil
	case strings.Contains(err.Error(), "bind source path does not exist"), errdefs.IsPermissionDenied(err): // a plugin's word, for jobs too
		return false, nil
	}
	return false, fmt.Errorf("look whether the engine's host has %s: %w", dir, err)
}

// goArch translates the kernel's name of an architecture, as the engine gives it.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l":
		return "arm"
	}
	return machine
}

// usersOf are a container's users: an engine that remaps them gives privileges, and the host's network, only to one that has the
// host's users.
func usersOf(privileged bool, network string) container.UsernsMode {
	if privileged || network == "host" {
		return "host"
	}
	return ""
}
