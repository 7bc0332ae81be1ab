package dind

import (
	"path"
	"slices"
	"strconv"
)

// addSidecars completes the sidecars.
func (w *wiring) addSidecars() {
	storage := w.storage()
	for i, s := range w.sidecars {
		service := w.service(s)
		s.Entrypoint = service.Entrypoint
		s.Privileged = w.job.Privileged
		w.job.bindDaemon(&s)
		w.sidecarEnv(&s, i == w.main)
		s.Command = append(slices.Clone(service.Command), w.addedArguments(s, service, i == w.main)...)
		if storage == StorageProject {
			var why string
			if s.Storage, why = w.job.storageOf(s, i == w.main); why != "" {
				w.setup.warn("%s", why)
			}
		}
		w.setup.Sidecars = append(w.setup.Sidecars, s)
	}
}

// bindDaemon gives a daemon the host's directories that it needs: the certificate authorities of private registries, and the
// kernel modules that its iptables and storage drivers load. A volume of the configuration there, or below, wins.
func (j Job) bindDaemon(s *Sidecar) {
	add := func(source, dir string, exists bool) (added bool) {
		if !exists || j.mounted(dir) || slices.ContainsFunc(j.Volumes, func(m Mount) bool { return within(m.Destination, dir) }) {
			return false
		}
		s.Binds = append(s.Binds, Mount{Source: source, Destination: dir, ReadOnly: true})
		return true
	}
	dir := configDir(s.Image)
	if add("/etc/docker/certs.d", path.Join(dir, "certs.d"), j.Host.CertsD) && isRootless(s.Image) {
		// The engine makes the directories above a bind as root, and daemons before 25.0 write their key there.
		s.Tmpfs = map[string]string{dir: "mode=1777"}
	}
	add("/lib/modules", "/lib/modules", j.Host.LibModules)
}

// mounted says whether a volume of the configuration brings a path, by itself or with a directory above it.
func (j Job) mounted(name string) bool {
	return slices.ContainsFunc(j.Volumes, func(m Mount) bool { return within(name, m.Destination) })
}

// addedArguments are dockerd's arguments in addition to the job's command, for what the command does not set: those that
// the mode needs, the configuration's, and the host's.
func (w *wiring) addedArguments(s Sidecar, service Service, isMain bool) []string {
	args, form := readCommand(service.Entrypoint, service.Command)
	if form == otherCommand {
		w.setup.warn("the command of service %s does not start dockerd directly, so it gets no further arguments", s.Image)
		return nil
	}
	var added []string
	if form == bareCommand && !hasFlag(args, "host") {
		added = append(added, w.listeners(s)...)
	}
	if port, ok := w.extraPort(isMain); ok {
		added = append(added, "--host=tcp://0.0.0.0:"+port)
	}
	if !w.tls {
		switch {
		case !hasFlag(args, "tls", "tlsverify"):
			// Without it dockerd sleeps for 15 s to show a warning before it opens a port without TLS.
			added = append(added, "--tls=false")
		case asksForTLS(args):
			w.setup.warn("the command of service %s asks for TLS, but the job's variables say that there is none", s.Image)
		}
	}
	for _, group := range flagGroups(w.job.Args) {
		switch {
		case hasFlag(args, flagName(group[0])):
		case hidesReadiness(group):
			w.setup.warn("%s in args of [runners.dind] is left out: the sidecar's log would not say when it is ready", group[0])
		default:
			added = append(added, group...)
		}
	}
	return append(added, w.job.hostArguments(s.Image, append(slices.Clone(args), w.job.Args...))...)
}

// listeners are what dockerd-entrypoint.sh would have added if the command were not dockerd itself.
func (w *wiring) listeners(s Sidecar) []string {
	socket := s.Env["DOCKER_HOST"]
	if socket == "" {
		socket = "unix://" + socketOf(s.Image)
	}
	hosts := []string{"--host=" + socket, "--host=tcp://0.0.0.0:" + w.port}
	if !w.tls {
		return hosts
	}
	return append(hosts, "--tlsverify",
		"--tlscacert="+w.certDir+"/server/ca.pem",
		"--tlscert="+w.certDir+"/server/cert.pem",
		"--tlskey="+w.certDir+"/server/key.pem")
}

// hostArguments make the daemon at home on this host's network: MTU, resolvers, mirrors. set is what is set already.
func (j Job) hostArguments(image string, set []string) []string {
	if j.mounted(path.Join(configDir(image), "daemon.json")) {
		return nil // dockerd dies of an option that is both in its file and among its arguments
	}
	host := j.Host
	var added []string
	add := func(flag string, values []string) {
		if hasFlag(set, flag) {
			return
		}
		for _, value := range values {
			added = append(added, "--"+flag+"="+value)
		}
	}
	if host.MTU > 0 {
		add("mtu", []string{strconv.Itoa(host.MTU)})
	}
	add("dns", slices.DeleteFunc(slices.Clone(host.DNS), isUselessResolver))
	add("dns-search", host.DNSSearch)
	add("registry-mirror", slices.DeleteFunc(slices.Clone(host.Mirrors), isLocalURL))
	add("insecure-registry", slices.DeleteFunc(slices.Clone(host.InsecureRegistries), isLocalRegistry))
	return added
}
