package dind

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
)

// chooseTransport decides between TLS and plain, once for B and every sidecar. What B's client will do in any case beats
// what the daemon was meant to do: DOCKER_TLS_VERIFY, then the port in DOCKER_HOST, then DOCKER_TLS_CERTDIR, whose empty
// value means plain.
func (r *reading) chooseTransport() {
	said, isSaid := r.serviceVariable(r.sidecars[r.main], "DOCKER_TLS_CERTDIR")
	r.certDir = path.Clean(said)
	if said == "" || !path.IsAbs(said) || r.certDir == "/" {
		r.certDir = defaultCertDir
	}
	if said != "" && r.certDir != path.Clean(said) {
		r.warn("DOCKER_TLS_CERTDIR %q is no directory for certificates: %s is used", said, defaultCertDir)
	}

	saysPlain := isSaid && said == ""
	insists := r.job.variable("DOCKER_TLS_VERIFY") != "" || r.job.variable("DOCKER_TLS") != ""
	r.tls = !saysPlain
	switch {
	case r.host.socket != "":
		if insists {
			r.warn("DOCKER_TLS_VERIFY is set, but DOCKER_HOST is a unix socket, which has no TLS: leave DOCKER_TLS_VERIFY out")
		}
	case insists:
		r.tls = true
		if saysPlain || r.host.port == plainPort {
			r.warn("DOCKER_TLS_VERIFY asks for TLS and DOCKER_TLS_CERTDIR or DOCKER_HOST for none: TLS is used")
		}
	case r.keptCertDir() != "" && r.host.port != tlsPort && (saysPlain || r.host.port == plainPort):
		r.tls, r.certDir = true, r.keptCertDir()
		r.warn("the job asks for no TLS, but the configuration mounts certificates below its DOCKER_TLS_CERTDIR %s: TLS is used", r.certDir)
	case r.host.port == tlsPort:
		r.tls = true
		if saysPlain {
			r.warn(`DOCKER_HOST names port 2376, which means TLS, and DOCKER_TLS_CERTDIR "" means none: TLS is used`)
		}
	case r.host.port == plainPort:
		r.tls = false
		if said != "" {
			r.warn("DOCKER_HOST names port 2375, which means no TLS, and DOCKER_TLS_CERTDIR %q means TLS: no TLS is used", said)
		}
	}
	r.port = plainPort
	r.setup.Kind = KindPlain
	if r.tls {
		r.port = tlsPort
		r.setup.Kind = KindTLS
	}
	if r.host.socket != "" {
		r.setup.Kind = KindSharedSocket
		r.setup.StaleSocket = r.host.socket
	}
	r.setup.ExtraHosts = r.job.NetworkMode == "host"
}

// keptCertDir is the job's DOCKER_TLS_CERTDIR if a volume of the configuration's own holds the client's certificates there.
// The official image's entrypoint in B speaks TLS when it finds them, whatever else the job says.
func (r *reading) keptCertDir() string {
	dir := r.job.variable("DOCKER_TLS_CERTDIR")
	kept := path.IsAbs(dir) && slices.ContainsFunc(r.job.Volumes, func(m Mount) bool {
		return m.Source != "" && within(path.Join(dir, "client"), m.Destination)
	})
	if !kept {
		return ""
	}
	return path.Clean(dir)
}

// address is the DOCKER_HOST of B.
func (r *reading) address() string {
	if r.host.text != "" {
		return r.host.text
	}
	return "tcp://" + net.JoinHostPort(r.hostName(), r.port)
}

// hostName is what B calls its sidecar.
func (r *reading) hostName() string {
	aliases := r.sidecars[r.main].Aliases
	if r.named {
		return r.host.host
	}
	if len(aliases) == 0 || slices.Contains(aliases, "docker") {
		return "docker"
	}
	return aliases[0]
}

// explicitCertificates says whether the configuration mounts something of its own where the certificates belong.
func (r *reading) explicitCertificates() bool {
	return slices.ContainsFunc(r.job.Volumes, func(m Mount) bool {
		return m.Source != "" && within(m.Destination, r.certDir)
	})
}

// chooseCertificates decides whose certificates are used, and which volumes have to go for them.
func (r *reading) chooseCertificates() {
	dirs := []string{r.certDir}
	if !r.tls {
		// In plain mode nothing belongs there, and what a volume kept from an earlier job would make B speak TLS.
		dirs = append(dirs, defaultCertDir)
	}
	if r.tls && r.explicitCertificates() {
		r.warn("a volume of the configuration is mounted at %s or below: the sidecar makes its own certificates there, which is slow on small boards", r.certDir)
		return
	}
	if r.tls {
		r.setup.Certs = &Certs{Dir: r.certDir, ClientDir: r.clientDir(), BuildDir: r.buildDir(), Names: r.names()}
		dirs = append(dirs, r.buildDir())
	}
	for _, m := range r.job.Volumes {
		if m.Source == "" && slices.ContainsFunc(dirs, func(dir string) bool { return within(m.Destination, dir) }) {
			r.setup.DropVolumes = append(r.setup.DropVolumes, m.Destination)
		}
	}
}

// clientDir is where dockerd-entrypoint.sh puts, and docker-entrypoint.sh looks for, the client's certificates.
func (r *reading) clientDir() string { return path.Join(r.certDir, "client") }

// buildDir is where the docker client in B looks for its certificates.
func (r *reading) buildDir() string {
	if dir := r.job.variable("DOCKER_CERT_PATH"); path.IsAbs(dir) {
		return path.Clean(dir)
	}
	return r.clientDir()
}

// names are what the server's certificate is for, DOCKER_TLS_SAN included, since the sidecar's entrypoint, which reads it,
// makes no certificate.
func (r *reading) names() []string {
	names := []string{"docker"}
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, s := range r.sidecars {
		for _, alias := range s.Aliases {
			add(alias)
		}
	}
	add("localhost")
	add("127.0.0.1")
	for _, s := range r.sidecars {
		san, _ := r.serviceVariable(s, "DOCKER_TLS_SAN")
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
