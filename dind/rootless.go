package dind

import (
	"path"
	"slices"
	"strings"
)

// What the official docker:dind-rootless promises: its daemon runs as the user rootless (1000), in a user namespace and a
// network of its own that rootlesskit makes.
const (
	rootlessHome   = "/home/rootless"
	rootlessSocket = "/run/user/1000/docker.sock"
	// rootlessFlags are options for rootlesskit. The entrypoint appends the port on which it has the daemon listen; any
	// other one that is to be reached from outside has to be among them.
	rootlessFlags = "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS"
)

// isRootless says whether an image's daemon runs without root, which the official ones say in their tag.
func isRootless(image string) bool {
	repository, tag := splitImage(image)
	return slices.Contains(strings.Split(tag, "-"), "rootless") ||
		slices.Contains(strings.FieldsFunc(repository, isNameSeparator), "rootless")
}

// socketOf is where the daemon of an image has its unix socket unless it is told otherwise.
func socketOf(image string) string {
	if isRootless(image) {
		return rootlessSocket
	}
	return "/var/run/docker.sock"
}

// configDir is where the daemon of an image looks for daemon.json and for certs.d.
func configDir(image string) string {
	if isRootless(image) {
		return path.Join(rootlessHome, ".config/docker")
	}
	return "/etc/docker"
}

// openPorts has rootlesskit let the daemon be reached on ports that the entrypoint does not know of: the one of DOCKER_HOST,
// and the usual one where the service's command is dockerd itself. Images with a daemon that has root ignore the variable.
func openPorts(w *wiring, s *Sidecar, isMain bool) {
	var ports []string
	if port, ok := w.extraPort(isMain); ok {
		ports = append(ports, port)
	}
	service := w.service(*s)
	if args, form := readCommand(service.Entrypoint, service.Command); form == bareCommand && isRootless(s.Image) && !hasFlag(args, "host") {
		ports = append(ports, w.port)
	}
	if ports == nil {
		return
	}
	flags, _ := w.serviceVariable(*s, rootlessFlags)
	for _, port := range ports {
		flags += " -p 0.0.0.0:" + port + ":" + port + "/tcp"
	}
	s.Env[rootlessFlags] = strings.TrimSpace(flags)
}
