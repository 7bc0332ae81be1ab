package dind

import (
	"slices"
	"strings"
)

// setBuildEnv gives B a variable unless the job sets it. Only DOCKER_TLS_CERTDIR means something when it is empty.
func (r *reading) setBuildEnv(name, value string) {
	said, isSaid := r.job.lookup(name)
	if said != "" || isSaid && name == "DOCKER_TLS_CERTDIR" {
		return
	}
	if r.setup.BuildEnv == nil {
		r.setup.BuildEnv = map[string]string{}
	}
	r.setup.BuildEnv[name] = value
}

// speakPlainInBuild keeps B's client from TLS, also where B's image sets these variables.
func (r *reading) speakPlainInBuild() {
	r.setBuildEnv("DOCKER_TLS_VERIFY", "")
	r.setBuildEnv("DOCKER_CERT_PATH", "")
}

// fillBuildEnv tells B where its daemon is and how to talk to it, in any image: docker-entrypoint.sh, which would find out
// by itself, is in the official ones only.
func (r *reading) fillBuildEnv() {
	r.setBuildEnv("DOCKER_HOST", r.address())
	switch {
	case r.setup.Kind == KindSharedSocket:
		r.speakPlainInBuild()
	case r.tls:
		r.setBuildEnv("DOCKER_TLS_VERIFY", "1")
		r.setBuildEnv("DOCKER_CERT_PATH", r.buildDir())
		r.setBuildEnv("DOCKER_TLS_CERTDIR", r.certDir)
	default:
		r.speakPlainInBuild()
		r.setBuildEnv("DOCKER_TLS_CERTDIR", "")
	}
	r.bypassProxy()
}

// bypassProxy adds the sidecar to the names that B reaches without the job's proxy.
func (r *reading) bypassProxy() {
	hasProxy := slices.ContainsFunc([]string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}, func(name string) bool {
		return r.job.variable(name) != ""
	})
	if !hasProxy || r.setup.Kind == KindSharedSocket {
		return
	}
	except := r.job.variable("NO_PROXY")
	if except == "" {
		except = r.job.variable("no_proxy") // the order in which docker's client looks
	}
	entries := strings.FieldsFunc(except, func(c rune) bool { return c == ',' || c == ' ' })
	if slices.Contains(entries, "*") || slices.Contains(entries, r.hostName()) {
		return
	}
	except = strings.Join(append(entries, r.hostName()), ",")
	r.setup.BuildEnv["NO_PROXY"] = except
	r.setup.BuildEnv["no_proxy"] = except
}

// sidecarEnv fills in what S must and must not have in its environment.
func (r *reading) sidecarEnv(s *Sidecar, isMain bool) {
	// dockerd takes the first two as defaults of its TLS options; its entrypoint takes a unix DOCKER_HOST as its socket.
	s.Unset = []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_HOST"}
	s.Env = map[string]string{"DOCKER_TLS_CERTDIR": ""}
	if r.tls {
		s.Env["DOCKER_TLS_CERTDIR"] = r.certDir
	}
	if r.tls && r.setup.Certs == nil {
		s.Env["DOCKER_TLS_SAN"] = subjectAltNames(r.names())
	}
	if isMain && r.host.socket != "" {
		s.Env["DOCKER_HOST"] = "unix://" + r.host.socket
	} else if own := parseEndpoint(r.service(*s).Variables["DOCKER_HOST"]); own.socket != "" {
		s.Env["DOCKER_HOST"] = own.text
	}
	if port, ok := r.extraPort(isMain); ok {
		flags, _ := r.serviceVariable(*s, rootlessFlags)
		s.Env[rootlessFlags] = strings.TrimSpace(flags + " -p 0.0.0.0:" + port + ":" + port + "/tcp")
	}
}

// rootlessFlags is what a rootless image's entrypoint appends the daemon's own port to; others ignore it.
const rootlessFlags = "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS"

// extraPort returns the port of DOCKER_HOST if the daemon would not listen there by itself.
func (r *reading) extraPort(isMain bool) (string, bool) {
	return r.host.port, isMain && r.named && r.host.port != r.port
}
