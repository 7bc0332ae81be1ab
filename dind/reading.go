package dind

import (
	"fmt"
	"slices"
)

// unprivilegedRuntime is the container runtime under which a docker daemon needs no privilege.
const unprivilegedRuntime = "sysbox-runc"

// reading is a job as this package sees it, and the setup that grows out of it.
type reading struct {
	job      Job
	host     endpoint  // the job's DOCKER_HOST
	sockets  []string  // where B has the host's docker socket
	sidecars []Sidecar // the declared dind services, or the sidecar that would be added; service, image and aliases only
	main     int       // index into sidecars: the one that B talks to
	named    bool      // DOCKER_HOST is tcp and names sidecars[main]

	dockerTaken bool // an ordinary service is called docker: the job has brought its own idea of a daemon

	setup Setup
}

// read takes the job apart: its sockets, its dind services with the aliases that are theirs, and whom DOCKER_HOST names.
func read(job Job) *reading {
	r := &reading{job: job, host: parseEndpoint(job.variable("DOCKER_HOST"))}
	for _, m := range job.Volumes {
		if s, ok := socketIn(m); ok {
			r.sockets = append(r.sockets, s)
		}
	}
	r.readServices()
	if len(r.sidecars) == 0 && !r.dockerTaken {
		r.sidecars = []Sidecar{{Service: -1, Image: addedImage(job), Aliases: []string{"docker"}}}
	}
	for i, s := range r.sidecars {
		if slices.Contains(s.Aliases, "docker") && !r.named {
			r.main = i
		}
		if r.host.host != "" && slices.Contains(s.Aliases, r.host.host) {
			r.main, r.named = i, true
		}
	}
	return r
}

// readServices gives each alias to the first service that has it, as gitlab-runner does. The first dind service is called
// docker as well, if no service is: that is where docker's client looks.
func (r *reading) readServices() {
	taken := map[string]bool{}
	for i, service := range r.job.Services {
		var own []string
		for _, alias := range service.Aliases {
			if !taken[alias] {
				taken[alias] = true
				own = append(own, alias)
			}
		}
		switch {
		case service.Ordinary || !IsDind(service.Name) && (r.job.Image == "" || service.Name != r.job.Image):
			r.dockerTaken = r.dockerTaken || slices.Contains(own, "docker")
		case own == nil && len(service.Aliases) > 0:
			r.setup.SkipServices = append(r.setup.SkipServices, i)
			r.setup.warn("service %s (services[%d]) is not started: other services have all its names; give it an alias of its own", service.Name, i)
		default:
			r.sidecars = append(r.sidecars, Sidecar{Service: i, Image: service.Name, Aliases: own})
		}
	}
	if len(r.sidecars) > 0 && !taken["docker"] {
		r.sidecars[0].Aliases = append(r.sidecars[0].Aliases, "docker")
	}
}

// addedImage is the image of a sidecar that the job does not name: the configuration's, else the job's own if it holds
// the daemon (it is there already, and client and daemon are then of one version).
func addedImage(job Job) string {
	switch {
	case job.Image != "":
		return job.Image
	case HasDockerCLI(job.BuildImage) && IsDind(job.BuildImage):
		return job.BuildImage
	default:
		return "docker:dind"
	}
}

// warn adds a sentence for the job log.
func (s *Setup) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// service returns the job's service behind a sidecar; an added sidecar has an empty one.
func (r *reading) service(s Sidecar) Service {
	if s.Service < 0 {
		return Service{}
	}
	return r.job.Services[s.Service]
}

// serviceVariable looks a variable up as the sidecar's container would see it: its service's own beat the job's.
func (r *reading) serviceVariable(s Sidecar, name string) (string, bool) {
	if value, ok := r.service(s).Variables[name]; ok {
		return value, true
	}
	return r.job.lookup(name)
}

// shared says whether a path lies on a writable volume that B and S both have.
func (r *reading) shared(name string) bool {
	return slices.ContainsFunc(r.job.Volumes, func(m Mount) bool {
		return !m.ReadOnly && !samePath(m.Destination, name) && within(runPath(name), runPath(m.Destination))
	})
}
