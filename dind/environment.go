package dind

import (
	"slices"
	"strings"
)

// setBuildEnv gives B a variable unless the job sets it. Only DOCKER_TLS_CERTDIR means something when it is empty.
func (s *Setup) setBuildEnv(job Job, name, value string) {
	said, isSaid := job.lookup(name)
	if said != "" || isSaid && name == "DOCKER_TLS_CERTDIR" {
		return
	}
	s.override(name, value)
}

// override gives B a variable whatever the job says.
func (s *Setup) override(name, value string) {
	if s.BuildEnv == nil {
		s.BuildEnv = map[string]string{}
	}
	s.BuildEnv[name] = value
}

// speakPlainInBuild keeps B's client from TLS, also where B's image sets these variables.
func (s *Setup) speakPlainInBuild(job Job) {
	s.setBuildEnv(job, "DOCKER_TLS_VERIFY", "")
	s.setBuildEnv(job, "DOCKER_CERT_PATH", "")
}

// fillBuildEnv tells B where its daemon is and how to talk to it, in any image: docker-entrypoint.sh, which would find out
// by itself, is in the official ones only.
func (w *wiring) fillBuildEnv() {
	w.setup.setBuildEnv(w.job, "DOCKER_HOST", w.address())
	switch {
	case w.setup.Kind == KindSharedSocket:
		w.setup.speakPlainInBuild(w.job)
	case w.tls:
		w.setup.setBuildEnv(w.job, "DOCKER_TLS_VERIFY", "1")
		w.setup.setBuildEnv(w.job, "DOCKER_CERT_PATH", w.buildDir())
		w.setup.setBuildEnv(w.job, "DOCKER_TLS_CERTDIR", w.certDir)
	default:
		w.setup.speakPlainInBuild(w.job)
		w.setup.setBuildEnv(w.job, "DOCKER_TLS_CERTDIR", "")
	}
	w.bypassProxy()
}

// bypassProxy adds the sidecar to the names that B reaches without the job's proxy.
func (w *wiring) bypassProxy() {
	hasProxy := slices.ContainsFunc([]string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}, func(name string) bool {
		return w.job.variable(name) != ""
	})
	if !hasProxy || w.setup.Kind == KindSharedSocket {
		return
	}
	except := w.job.variable("NO_PROXY")
	if except == "" {
		except = w.job.variable("no_proxy") // the order in which docker's client looks
	}
	entries := strings.FieldsFunc(except, func(c rune) bool { return c == ',' || c == ' ' })
	if slices.Contains(entries, "*") || slices.Contains(entries, w.hostName()) {
		return
	}
	except = strings.Join(append(entries, w.hostName()), ",")
	w.setup.override("NO_PROXY", except)
	w.setup.override("no_proxy", except)
}

// sidecarEnv fills in what S must and must not have in its environment.
func (w *wiring) sidecarEnv(s *Sidecar, isMain bool) {
	// dockerd takes the first two as defaults of its TLS options; its entrypoint takes a unix DOCKER_HOST as its socket.
	s.Unset = []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_HOST"}
	s.Env = map[string]string{"DOCKER_TLS_CERTDIR": ""}
	if w.tls {
		s.Env["DOCKER_TLS_CERTDIR"] = w.certDir
	}
	if w.tls && w.setup.Certs == nil {
		s.Env["DOCKER_TLS_SAN"] = subjectAltNames(w.names())
	}
	proxyEnv(w, s)
	if isMain && w.host.socket != "" {
		s.Env["DOCKER_HOST"] = "unix://" + w.host.socket
	} else if own := parseEndpoint(w.service(*s).Variables["DOCKER_HOST"]); own.socket != "" {
		s.Env["DOCKER_HOST"] = own.text
	}
	openPorts(w, s, isMain)
}

// extraPort returns the port of DOCKER_HOST if the daemon would not listen there by itself.
func (w *wiring) extraPort(isMain bool) (string, bool) {
	return w.host.port, isMain && w.named && w.host.port != w.port
}

// dockerdReads are the variables that change a docker daemon or its official entrypoint, beside those of a prefix in
// dockerdPrefixes. All else of a job's environment, as the tag that it builds, makes no difference to a daemon.
func dockerdReads() []string {
	return []string{
		"DOCKER_ALLOW_SCHEMA1_PUSH_DONOTUSE", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_DRIVER", "DOCKER_ENABLE_DEPRECATED_PULL_SCHEMA_1_IMAGE",
		"DOCKER_HOST", "DOCKER_IGNORE_BR_NETFILTER_ERROR", "DOCKER_INSECURE_NO_IPTABLES_RAW", "DOCKER_IPTABLES_LEGACY", "DOCKER_MIN_API_VERSION",
		"DOCKER_RAMDISK", "DOCKER_TLS", "DOCKER_TLS_CERTDIR", "DOCKER_TLS_SAN", "DOCKER_TLS_VERIFY", "DOCKER_TMPDIR",
		"ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "GODEBUG", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ", "XDG_RUNTIME_DIR",
	}
}

func dockerdPrefixes() []string { return []string{"DOCKERD_", "MOBY_", "BUILDKIT_", "OTEL_"} }

// DaemonReads reports whether a variable may change what a docker daemon does.
func DaemonReads(name string) bool {
	name = strings.ToUpper(name) // the proxies come in lower case, too
	return slices.Contains(dockerdReads(), name) ||
		slices.ContainsFunc(dockerdPrefixes(), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
