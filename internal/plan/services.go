package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/jobapi"
)

// makeServices writes the containers beside the build container: ordinary services and sidecars.
func makeServices(c *compiler, s *sidecars, vols *volumes) ([]executor.Service, error) {
	bySidecar := map[int]dind.Sidecar{}
	var out []executor.Service
	for _, sc := range s.setup.Sidecars {
		bySidecar[sc.Service] = sc
	}
	for i, one := range s.services {
		if slices.Contains(s.setup.SkipServices, i) {
			continue
		}
		if one.ofJob && !serviceAllowed(c, one.image.Name) {
			return nil, refuse("service %s is not one of the services that this runner allows: %s (allowed_services in [runners.docker])",
				one.image.Name, strings.Join(c.Runner.Docker.AllowedServices, ", "))
		}
		svc, err := makeService(c, len(out), one, vols)
		if err != nil {
			return nil, err
		}
		if sc, ok := bySidecar[i]; ok {
			makeSidecar(c, &svc, sc, s.setup, vols)
		}
		for _, b := range s.setup.Builders {
			if b.Service == i {
				makeBuilder(c, &svc, b)
			}
		}
		out = append(out, svc)
	}
	if sc, ok := bySidecar[-1]; ok {
		svc, err := makeService(c, len(out), service{image: jobapi.Image{Name: sc.Image}, aliases: sc.Aliases}, vols)
		if err != nil {
			return nil, err
		}
		makeSidecar(c, &svc, sc, s.setup, vols)
		out = append(out, svc)
	}
	return out, nil
}

// serviceAllowed lets the names of configured services pass always.
func serviceAllowed(c *compiler, name string) bool {
	d := &c.Runner.Docker
	for _, s := range d.Services {
		if s.Name == name {
			return true
		}
	}
	return matches(d.AllowedServices, name)
}

func makeService(c *compiler, index int, one service, vols *volumes) (executor.Service, error) {
	d := &c.Runner.Docker
	img, err := makeImage(c, one.image.Name, one.image)
	if err != nil {
		return executor.Service{}, err
	}
	name := strings.NewReplacer("/", "__", ":", "_").Replace(executor.Repository(one.image.Name))
	svc := executor.Service{
		Title:   one.image.Name,
		Aliases: one.aliases,
		Container: executor.Container{
			Name: fmt.Sprintf("%s-%s-%d", c.names.unique, name, index), Image: img,
			Entrypoint: entrypointOf(c, one.image.Entrypoint), Cmd: one.image.Command,
			User: c.vars.expand(one.image.ExecutorOpts.Docker.User), Env: withVariables(c.vars.env(true), one.vars),
			Privileged: servicesPrivileged(c) && matches(d.AllowedPrivilegedServices, one.image.Name),
			Binds:      vols.service, Labels: containerLabels(c, true), Options: serviceOptions(c, one.image.Name),
		},
	}
	svc.Labels["com.gitlab.gitlab-runner.service"], svc.Labels["com.gitlab.gitlab-runner.service.version"] = executor.Repository(one.image.Name), version(one.image.Name)
	switch mode := networkMode(c); {
	case mode == "":
		svc.Networks = []executor.Attachment{{Network: c.names.network, Aliases: one.aliases}}
	case userNetwork(mode):
		// Jobs that share a network share its names, too; the hosts file says which service is the job's own.
		svc.Networks, svc.HostAliases = []executor.Attachment{{Network: mode, Aliases: one.aliases}}, one.aliases
	case mode == "bridge" || mode == "default":
		svc.Mode, svc.HostAliases = mode, one.aliases // a network without a name server
	default:
		svc.Mode = mode
	}
	if one.dind {
		svc.Binds = vols.sidecar
	}
	if d.WaitForServicesTimeout >= 0 {
		svc.Ready = executor.Ready{Ports: true, Timeout: d.WaitForServicesTimeout}
	}
	return svc, nil
}

// makeSidecar turns a service into a docker-in-docker sidecar: on the job's own network only, ready when its API answers.
func makeSidecar(c *compiler, svc *executor.Service, sc dind.Sidecar, setup dind.Setup, vols *volumes) {
	svc.Aliases, svc.Privileged, svc.Cmd = sc.Aliases, sc.Privileged, sc.Command
	if len(sc.Entrypoint) > 0 {
		svc.Entrypoint = sc.Entrypoint
	}
	svc.Env = withoutVariables(svc.Env, sc.Unset)
	svc.Env = withVariables(svc.Env, sc.Env)
	// A bare name takes a variable out of what the image sets.
	for _, name := range sc.Unset {
		if _, set := sc.Env[name]; !set {
			svc.Env = append(svc.Env, name)
		}
	}
	svc.Binds = slices.Clone(vols.sidecar)
	for _, b := range sc.Binds {
		bind := b.Source + ":" + b.Destination
		if b.ReadOnly {
			bind += ":ro"
		}
		svc.Binds = append(svc.Binds, bind)
	}
	if len(sc.Tmpfs) > 0 {
		tmpfs := maps.Clone(sc.Tmpfs)
		maps.Copy(tmpfs, svc.Options.Tmpfs)
		svc.Options.Tmpfs = tmpfs
	}
	svc.Mode = ""
	svc.Networks = []executor.Attachment{{Network: c.names.network, Aliases: sc.Aliases}}
	svc.Ready = executor.Ready{
		Command: dind.ReadyProbe(setup.Kind, sc.Storage.DataRoot), LogLine: dind.ReadyText,
		Timeout: c.Runner.Dind.WaitTimeout, Must: true,
	}
	svc.Store = makeStore(c, sc.Storage)
	if setup.ExtraHosts || userNetwork(networkMode(c)) {
		svc.HostAliases = sc.Aliases
	}
	if setup.StaleSocket != "" {
		svc.Prepare = []string{Binary, "helper", "remove", setup.StaleSocket}
	}
}

// makeBuilder makes a service that builds images without docker wait to be used as a sidecar does, with a sidecar's privileges.
func makeBuilder(c *compiler, svc *executor.Service, b dind.Builder) {
	if len(svc.HostAliases) > 0 {
		svc.HostAliases = b.Aliases
	}
	for i := range svc.Networks {
		svc.Networks[i].Aliases = b.Aliases
	}
	svc.Aliases, svc.Cmd, svc.Env = b.Aliases, b.Command, withoutVariables(svc.Env, b.Unset)
	if svc.Privileged = svc.Privileged || c.Runner.Dind.Privileged; !svc.Privileged {
		c.warn("service %s is not privileged, and may not be able to build: set [runners.dind] privileged = true in config.toml", svc.Title)
	}
	svc.Ready = executor.Ready{Command: b.Probe, LogLine: b.LogLine, Timeout: c.Runner.Dind.WaitTimeout, Must: true}
}

// makeStore writes down where a sidecar finds the images of the project's last job. As with caches, jobs of protected refs
// share nothing with others: who may push to any branch could else prepare the layers of a release.
func makeStore(c *compiler, storage dind.Storage) *executor.Store {
	if storage.Key == "" {
		return nil
	}
	protected := isProtected(c.Job)
	return &executor.Store{
		Name: c.names.store(storage.Key, protected), Target: storage.DataRoot, Version: dind.VersionVariable,
		Labels: reusableLabels(storage.DataRoot, protected, true),
	}
}

// withoutVariables takes variables out of an environment.
func withoutVariables(env, names []string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
}

// withVariables adds variables to an environment, replacing those of the same name.
func withVariables(env []string, vars map[string]string) []string {
	if len(vars) == 0 {
		return env
	}
	out := slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, replaced := vars[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}

func version(ref string) string {
	if _, digest, ok := strings.Cut(ref, "@"); ok {
		return "@" + digest
	}
	if name := executor.Repository(ref); len(name) < len(ref) {
		return ref[len(name)+1:]
	}
	return "latest"
}
