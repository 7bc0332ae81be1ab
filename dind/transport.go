package dind

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
)

// wiring is a job whose sidecars will be started: how B and they reach each other, and what follows from it.
type wiring struct {
	*reading
	tls     bool   // the transport of every sidecar's tcp port, and of B
	port    string // the sidecars' tcp port
	certDir string // DOCKER_TLS_CERTDIR in S, also where tls is false
}

// chooseTransport decides between TLS and plain, once for B and every sidecar. What B's client will do in any case beats
// what the daemon was meant to do: DOCKER_TLS_VERIFY, then the port in DOCKER_HOST, then DOCKER_TLS_CERTDIR, whose empty
// value means plain.
func (w *wiring) chooseTransport() {
	said, isSaid := w.serviceVariable(w.sidecars[w.main], "DOCKER_TLS_CERTDIR")
	w.certDir = path.Clean(said)
	if said == "" || !path.IsAbs(said) || w.certDir == "/" || within(w.certDir, "/tmp") { // the image's entrypoint mounts a /tmp of its own
		w.certDir = defaultCertDir
	}
	if said != "" && w.certDir != path.Clean(said) {
		w.setup.warn("DOCKER_TLS_CERTDIR %q is no directory for certificates: %s is used", said, defaultCertDir)
	}

	saysPlain := isSaid && said == ""
	insists := w.job.variable("DOCKER_TLS_VERIFY") != "" || w.job.variable("DOCKER_TLS") != ""
	w.tls = !saysPlain
	switch {
	case w.host.socket != "":
		if insists {
			w.setup.warn("DOCKER_TLS_VERIFY is set, but DOCKER_HOST is a unix socket, which has no TLS: leave DOCKER_TLS_VERIFY out")
		}
	case insists:
		w.tls = true
		if saysPlain || w.host.port == plainPort {
			w.setup.warn("DOCKER_TLS_VERIFY asks for TLS and DOCKER_TLS_CERTDIR or DOCKER_HOST for none: TLS is used")
		}
	case w.job.keptCertDir() != "" && w.host.port != tlsPort && (saysPlain || w.host.port == plainPort):
		w.tls, w.certDir = true, w.job.keptCertDir()
		w.setup.warn("the job asks for no TLS, but the configuration mounts certificates below its DOCKER_TLS_CERTDIR %s: TLS is used", w.certDir)
	case w.host.port == tlsPort:
		w.tls = true
		if saysPlain {
			w.setup.warn(`DOCKER_HOST names port 2376, which means TLS, and DOCKER_TLS_CERTDIR "" means none: TLS is used`)
		}
	case w.host.port == plainPort:
		w.tls = false
		if said != "" {
			w.setup.warn("DOCKER_HOST names port 2375, which means no TLS, and DOCKER_TLS_CERTDIR %q means TLS: no TLS is used", said)
		}
	}
	w.port = plainPort
	w.setup.Kind = KindPlain
	if w.tls {
		w.port = tlsPort
		w.setup.Kind = KindTLS
	}
	if w.host.socket != "" {
		w.setup.Kind = KindSharedSocket
		w.setup.StaleSocket = w.host.socket
	}
	w.setup.ExtraHosts = w.job.NetworkMode == "host"
}

// keptCertDir is the job's DOCKER_TLS_CERTDIR if a volume of the configuration's own holds the client's certificates there.
// The official image's entrypoint in B speaks TLS when it finds them, whatever else the job says.
func (j Job) keptCertDir() string {
	dir := j.variable("DOCKER_TLS_CERTDIR")
	kept := path.IsAbs(dir) && slices.ContainsFunc(j.Volumes, func(m Mount) bool {
		return m.Source != "" && within(path.Join(dir, "client"), m.Destination)
	})
	if !kept {
		return ""
	}
	return path.Clean(dir)
}

// address is the DOCKER_HOST of B.
func (w *wiring) address() string {
	if w.host.text != "" {
		return w.host.text
	}
	return "tcp://" + net.JoinHostPort(w.hostName(), w.port)
}

// hostName is what B calls its sidecar.
func (w *wiring) hostName() string {
	aliases := w.sidecars[w.main].Aliases
	if w.named {
		return w.host.host
	}
	if len(aliases) == 0 || slices.Contains(aliases, "docker") {
		return "docker"
	}
	return aliases[0]
}

// bringsCertificates says whether the configuration mounts something of its own where the certificates belong.
func (j Job) bringsCertificates(dir string) bool {
	return slices.ContainsFunc(j.Volumes, func(m Mount) bool { return m.Source != "" && within(m.Destination, dir) })
}

// chooseCertificates decides whose certificates are used, and which volumes have to go for them.
func (w *wiring) chooseCertificates() {
	dirs := []string{w.certDir}
	if !w.tls {
		// In plain mode nothing belongs there, and what a volume kept from an earlier job would make B speak TLS.
		dirs = append(dirs, defaultCertDir)
	}
	if w.tls && w.job.bringsCertificates(w.certDir) {
		w.setup.warn("a volume of the configuration is mounted at %s or below: the sidecar makes its own certificates there, which is slow on small boards", w.certDir)
		return
	}
	if w.tls {
		w.setup.Certs = &Certs{Dir: w.certDir, ClientDir: w.clientDir(), BuildDir: w.buildDir(), Names: w.names()}
		dirs = append(dirs, w.buildDir())
	}
	for _, m := range w.job.Volumes {
		if m.Source == "" && slices.ContainsFunc(dirs, func(dir string) bool { return within(m.Destination, dir) }) {
			w.setup.DropVolumes = append(w.setup.DropVolumes, m.Destination)
		}
	}
}

// clientDir is where dockerd-entrypoint.sh puts, and docker-entrypoint.sh looks for, the client's certificates.
func (w *wiring) clientDir() string { return path.Join(w.certDir, "client") }

// buildDir is where the docker client in B looks for its certificates.
func (w *wiring) buildDir() string {
	if dir := w.job.variable("DOCKER_CERT_PATH"); path.IsAbs(dir) {
		return path.Clean(dir)
	}
	return w.clientDir()
}

// names are what the server's certificate is for, DOCKER_TLS_SAN included, since the sidecar's entrypoint, which reads it,
// makes no certificate.
func (w *wiring) names() []string {
	names := []string{"docker"}
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, s := range w.sidecars {
		for _, alias := range s.Aliases {
			add(alias)
		}
	}
	add("localhost")
	add("127.0.0.1")
	for _, s := range w.sidecars {
		san, _ := w.serviceVariable(s, "DOCKER_TLS_SAN")
		for _, entry := range strings.Split(san, ",") {
			_, name, _ := strings.Cut(strings.TrimSpace(entry), ":") // DNS:name or IP:address
			add(name)
		}
	}
	return names
}

// subjectAltNames writes names the way DOCKER_TLS_SAN wants them.
func subjectAltNames(names []string) string {
	var entries []string
	for _, name := range names {
		kind := "DNS"
		if net.ParseIP(name) != nil {
			kind = "IP"
		}
		entries = append(entries, fmt.Sprintf("%s:%s", kind, name))
	}
	return strings.Join(entries, ",")
}
