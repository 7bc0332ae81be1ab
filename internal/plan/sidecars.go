package plan

import (
	"slices"
	"strings"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// service is one service of the job before it is known whether it is a sidecar.
type service struct {
	image   jobapi.Image // name and aliases expanded
	aliases []string
	vars    map[string]string // its own variables, expanded
	ofJob   bool              // the job's own, not the configuration's
	dind    bool              // a docker daemon
}

// sidecars is what package dind decided, next to the services it decided on.
type sidecars struct {
	services []service
	setup    dind.Setup
}

// any reports whether a sidecar is started.
func (s *sidecars) any() bool { return len(s.setup.Sidecars) > 0 }

// notes are the lines about docker for the log.
func (s *sidecars) notes() []string {
	var lines []string
	if s.setup.Note != "" {
		lines = append(lines, s.setup.Note)
	}
	for _, w := range s.setup.Warnings {
		lines = append(lines, "\x1b[0;33mWARNING: "+w+"\x1b[0;m")
	}
	return lines
}

func decideDind(c *compiler, buildImage string) (*sidecars, error) {
	s := &sidecars{services: declaredServices(c)}
	if limit := c.Runner.Docker.ServicesLimit; limit >= 0 && len(s.services) > limit {
		return nil, refuse("too many services requested: %d, only %d allowed (services_limit in [runners.docker])", len(s.services), limit)
	}
	if err := lookAtImages(c, s.services); err != nil {
		return nil, err
	}
	d := &c.Runner.Docker
	job := dind.Job{
		Mode: c.Runner.Dind.Mode, Privileged: sidecarPrivileged(c, s.services), Runtime: d.Runtime,
		Image: c.Runner.Dind.Image, Args: c.Runner.Dind.Args, Storage: c.Runner.Dind.Storage, BuildImage: buildImage,
		Variables: c.vars.lookup, NetworkMode: networkMode(c),
		Volumes: []dind.Mount{{Source: "builds", Destination: c.dirs.builds}},
		Host: dind.Host{
			MTU: c.Facts.MTU, DNS: c.Facts.DNS, DNSSearch: c.Facts.DNSSearch, Mirrors: c.Facts.Mirrors,
			InsecureRegistries: c.Facts.InsecureRegistries, CertsD: c.Facts.CertsD, LibModules: c.Facts.LibModules,
			HTTPProxy: c.Facts.HTTPProxy, HTTPSProxy: c.Facts.HTTPSProxy, NoProxy: c.Facts.NoProxy,
		},
	}
	if len(d.DNS) > 0 {
		job.Host.DNS = nil
		for _, a := range d.DNS {
			job.Host.DNS = append(job.Host.DNS, a.String())
		}
	}
	if d.NetworkMTU > 0 {
		job.Host.MTU = d.NetworkMTU
	}
	for _, v := range d.Volumes {
		job.Volumes = append(job.Volumes, dind.Mount{Source: v.Source, Destination: destinationOf(c, v), ReadOnly: v.Mode == "ro"})
	}
	for _, one := range s.services {
		job.Services = append(job.Services, dind.Service{
			Name: one.image.Name, Aliases: one.aliases, Command: one.image.Command,
			Entrypoint: entrypointOf(c, one.image.Entrypoint), Variables: one.vars,
			Ordinary: !one.dind,
		})
	}
	setup, err := dind.Decide(job)
	if err != nil {
		return nil, &ConfigError{err}
	}
	s.setup = setup
	return s, nil
}

// lookAtImages finds out which services are docker daemons. Where the name alone says so the image itself decides: another one
// is started as an ordinary service.
func lookAtImages(c *compiler, services []service) error {
	for i := range services {
		s := &services[i]
		name := s.image.Name
		s.dind = dind.IsDind(name) || name == c.Runner.Dind.Image
		if c.Runner.Dind.Mode == dind.ModeOff || name == c.Runner.Dind.Image || !dind.OnlySaysDind(name) || len(s.image.Entrypoint) > 0 {
			continue
		}
		seen, known := c.Images[name]
		if !known {
			image, err := makeImage(c, name, s.image)
			if err != nil {
				return err
			}
			return &UnknownImageError{Image: image}
		}
		if s.dind = dind.KeepsContract(seen.Entrypoint, seen.Volumes); !s.dind {
			c.warn("service %s says dind in its name, but its image is not made from docker:dind: it is started as an ordinary service", name)
		}
	}
	return nil
}

// sidecarPrivileged reports whether the configuration lets a sidecar be privileged. Nothing is escalated where it does not.
func sidecarPrivileged(c *compiler, services []service) bool {
	if c.Runner.Dind.Privileged {
		return true
	}
	if !servicesPrivileged(c) {
		return false
	}
	// The allow-list is matched against names as written; a sidecar that we add is docker:dind.
	for _, s := range services {
		if s.dind && !matches(c.Runner.Docker.AllowedPrivilegedServices, s.image.Name) {
			return false
		}
	}
	return true
}

func servicesPrivileged(c *compiler) bool {
	if p := c.Runner.Docker.ServicesPrivileged; p != nil {
		return *p
	}
	return c.Runner.Docker.Privileged
}

// declaredServices are the configuration's, then the job's; one whose aliases are all taken is left out.
func declaredServices(c *compiler) []service {
	var all []jobapi.Image
	for _, s := range c.Runner.Docker.Services {
		all = append(all, jobapi.Image{Name: s.Name, Alias: s.Alias, Command: s.Command, Entrypoint: s.Entrypoint, Variables: jobVariables(s.Environment)})
	}
	configured := len(all)
	all = append(all, c.Job.Services...)
	taken := map[string]bool{}
	var out []service
	for i, img := range all {
		img.Name, img.Alias = c.vars.expand(img.Name), c.vars.expand(img.Alias)
		s := service{image: img, vars: map[string]string{}, ofJob: i >= configured}
		for _, alias := range aliases(img.Name, img.Alias) {
			if taken[alias] {
				c.warn("Skipping alias %q for service %q (services[%d]): alias is already in use by another service.", alias, img.Name, i)
				continue
			}
			taken[alias] = true
			s.aliases = append(s.aliases, alias)
		}
		if len(s.aliases) == 0 {
			continue
		}
		for _, v := range img.Variables {
			s.vars[v.Key] = v.Value
			if !v.Raw {
				s.vars[v.Key] = c.vars.expand(v.Value)
			}
		}
		out = append(out, s)
	}
	return out
}

func jobVariables(env []config.Variable) []jobapi.Variable {
	var out []jobapi.Variable
	for _, e := range env {
		out = append(out, jobapi.Variable{Key: e.Name, Value: e.Value})
	}
	return out
}

// aliases are a service's host names: two from its image, then the given ones (docker-executor contract 2.8).
func aliases(image, given string) []string {
	name := executor.Repository(image)
	if host, rest, ok := strings.Cut(name, "/"); ok {
		host, _, _ = strings.Cut(host, ":")
		name = host + "/" + rest
	}
	list := []string{strings.ReplaceAll(name, "/", "__"), strings.ReplaceAll(name, "/", "-")}
	list = append(list, strings.FieldsFunc(given, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })...)
	var out []string
	for _, a := range list {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
