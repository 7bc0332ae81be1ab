package dind

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Builder is a service that builds images by another daemon than docker's, and that waits to be used as a sidecar does: a job
// that finds no builder can do nothing. Everything else about it is an ordinary service's.
type Builder struct {
	Service int // index into Job.Services
	Aliases []string
	Command []string
	Unset   []string // variables of the job that it must not have
	Probe   []string // command to run in it, which exits 0 when it answers; empty: LogLine tells
	LogLine string   // part of the line of its log with which it tells that it answers
}

const (
	buildkitPort = "1234" // of BuildKit's documentation; no port is registered for it
	buildkitName = "buildkitd"
	podmanName   = "podman"
)

// isBuilder says whether an image is one of those that build images without docker and whose contract is known:
// moby/buildkit, and podman's own, under any registry.
func isBuilder(image string) bool { return isBuildKit(image) || isPodman(image) }

func isBuildKit(image string) bool { return isRepository(image, "moby/buildkit") }

func isPodman(image string) bool {
	return slices.ContainsFunc([]string{"podman/stable", "podman/testing", "podman/upstream", "containers/podman"},
		func(name string) bool { return isRepository(image, name) })
}

// isRepository says whether an image's repository is name, perhaps of a registry or below a path in one.
func isRepository(image, name string) bool {
	image, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		image = image[:at]
	}
	return image == name || strings.HasSuffix(image, "/"+name)
}

// addBuilders makes the job's builders ready for it: each listens where the job reaches it, and the job is told where that is.
// A service whose entrypoint the job sets is left to it.
func addBuilders(job Job, s *Setup) {
	for i, service := range job.Services {
		if !isBuilder(service.Name) || len(service.Entrypoint) > 0 {
			continue
		}
		b := Builder{Service: i, Aliases: service.Aliases}
		if isBuildKit(service.Name) {
			makeBuildKit(job, s, &b, service.Command)
		} else {
			makePodman(job, s, &b, service.Command)
		}
		if b.Probe != nil || b.LogLine != "" {
			s.Builders = append(s.Builders, b)
		}
	}
}

// makeBuildKit has buildkitd listen on a port as well, unless the job says where. It tells on level info where it listens, once it
// is ready.
func makeBuildKit(job Job, s *Setup, b *Builder, command []string) {
	b.Command, b.LogLine = command, "running server on "
	if hasFlag(command, "addr", "config") {
		return
	}
	socket := "unix:///run/buildkit/buildkitd.sock"
	if isRootless(job.Services[b.Service].Name) {
		socket = "unix:///run/user/1000/buildkit/buildkitd.sock"
	}
	b.Command = append(slices.Clone(command), "--addr="+socket, "--addr=tcp://0.0.0.0:"+buildkitPort)
	s.setBuildEnv(job, "BUILDKIT_HOST", "tcp://"+net.JoinHostPort(b.takeName(job, buildkitName), buildkitPort))
}

// makePodman has podman's API served on docker's port, unless the job says what podman is to do.
func makePodman(job Job, s *Setup, b *Builder, command []string) {
	if len(command) == 0 {
		command = []string{"podman", "system", "service", "--time=0", "tcp:0.0.0.0:" + plainPort}
		s.setBuildEnv(job, "CONTAINER_HOST", "tcp://"+net.JoinHostPort(b.takeName(job, podmanName), plainPort))
	}
	// With it podman takes itself for a client of another one.
	b.Command, b.Unset = command, []string{"CONTAINER_HOST"}
	for _, word := range command {
		// Podman takes tcp:HOST:PORT as well as tcp://HOST:PORT.
		if rest, ok := strings.CutPrefix(word, "tcp:"); ok {
			if u, err := url.Parse("tcp://" + strings.TrimPrefix(rest, "//")); err == nil && u.Port() != "" {
				b.Probe, b.LogLine = []string{"sh", "-c", podmanProbe, "sh", "tcp://127.0.0.1:" + u.Port()}, "API service listening on "
			}
		}
	}
}

// podmanProbe asks podman's API until it answers; the bound is for a runner that has gone away.
const podmanProbe = `rounds=3000
until podman --url "$1" version >/dev/null 2>&1; do
	rounds=$((rounds - 1))
	[ "$rounds" -gt 0 ] || exit 1
	sleep 0.1 2>/dev/null || sleep 1
done`

// takeName gives a builder the name by which jobs know one of its kind, if no service has it, and returns how the job calls it.
func (b *Builder) takeName(job Job, name string) string {
	if slices.Contains(b.Aliases, name) {
		return name
	}
	if slices.ContainsFunc(job.Services, func(s Service) bool { return slices.Contains(s.Aliases, name) }) {
		return b.Aliases[0]
	}
	b.Aliases = append(slices.Clone(b.Aliases), name)
	return name
}
