package config

import (
	"strconv"
	"strings"
)

// Engine says how to reach a Docker engine. CertPath and TLSVerify are set for a tcp:// Host only.
type Engine struct {
	Host      string // unix:// or tcp:// URL
	CertPath  string // directory with ca.pem, cert.pem and key.pem; empty means the docker client's own default
	TLSVerify bool   // without it tcp is plain HTTP, even with a CertPath
}

// Engine is the engine that the runner's containers live on. As in gitlab-runner, an empty host means that host,
// certificates and verification all come from DOCKER_HOST, DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, whatever tls_verify
// says; and a unix socket has no TLS.
func (d *Docker) Engine(env func(string) string) Engine {
	e := Engine{Host: d.Host, CertPath: d.TLSCertPath, TLSVerify: d.TLSVerify}
	if e.Host == "" {
		e = Engine{Host: env("DOCKER_HOST"), CertPath: env("DOCKER_CERT_PATH"), TLSVerify: isTrue(env("DOCKER_TLS_VERIFY"))}
	}
	if e.Host == "" {
		e.Host = "unix:///var/run/docker.sock"
	}
	if strings.HasPrefix(e.Host, "unix://") {
		return Engine{Host: e.Host}
	}
	return e
}

// isTrue reads a variable of docker's, for whose client any text is true, the way gitlab-runner does, for which "0" and
// "false" are not.
func isTrue(text string) bool {
	b, err := strconv.ParseBool(text)
	return b || err != nil && text != ""
}
