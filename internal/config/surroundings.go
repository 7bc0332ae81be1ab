package config

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// surroundings completes a runner by files that it refers to.
func (p *problems) surroundings(r *Runner, n *node) {
	ca, cert, key := Certificates(filepath.Dir(p.file), r.URL)
	if r.TLSCAFile == "" {
		r.TLSCAFile = ca
	}
	if r.TLSCertFile == "" {
		r.TLSCertFile, r.TLSKeyFile = cert, key
	}
	docker := n.child("docker")
	p.seccomp(r.Docker.SecurityOpt, docker, "security_opt")
	p.seccomp(r.Docker.ServicesSecurityOpt, docker, "services_security_opt")
}

// Certificates finds, in the directory certs beside the configuration in dir, the files that gitlab-runner uses for a
// GitLab without being told: HOST.crt with further authorities, and HOST.auth.crt with HOST.auth.key, a client certificate. A
// path is empty where there is no such file; the client's come both or not at all.
func Certificates(dir, gitlab string) (ca, cert, key string) {
	u, err := url.Parse(gitlab)
	if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), `/\`) {
		return "", "", ""
	}
	found := func(suffix string) string {
		file := filepath.Join(dir, "certs", u.Hostname()+suffix)
		if stat, err := os.Stat(file); err != nil || !stat.Mode().IsRegular() {
			return ""
		}
		return file
	}
	if cert, key = found(".auth.crt"), found(".auth.key"); cert == "" || key == "" {
		cert, key = "", ""
	}
	return found(".crt"), cert, key
}

// seccomp puts the profiles in place of their paths: the engine may be on another machine.
func (p *problems) seccomp(options []string, docker *node, key string) {
	for i, option := range options {
		file, is := strings.CutPrefix(option, "seccomp=")
		if !is {
			file, is = strings.CutPrefix(option, "seccomp:")
		}
		if !is || file == "unconfined" || file == "builtin" || strings.HasPrefix(file, "{") {
			continue
		}
		line := docker.child(key).items[i].line
		profile, err := os.ReadFile(file)
		if err != nil {
			p.fail(line, "runners.docker."+key, "the seccomp profile cannot be read: %v", err)
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, profile); err != nil {
			p.fail(line, "runners.docker."+key, "the seccomp profile %s is not JSON: %v", file, err)
			continue
		}
		options[i] = "seccomp=" + compact.String()
	}
}
