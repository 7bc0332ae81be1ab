package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// surroundings completes a runner by files that it refers to.
func surroundings(p *problems, r *Runner, n *node) {
	ca, cert, key := Certificates(filepath.Dir(p.file), r.URL)
	if r.TLSCAFile == "" {
		r.TLSCAFile = ca
	}
	if r.TLSCertFile == "" {
		r.TLSCertFile, r.TLSKeyFile = cert, key
	}
	docker := n.child("docker")
	for key, options := range map[string][]string{"security_opt": r.Docker.SecurityOpt, "services_security_opt": r.Docker.ServicesSecurityOpt} {
		for i := range options {
			var err error
			if options[i], err = withProfile(options[i]); err != nil {
				p.fail(docker.child(key).items[i].line, "runners.docker."+key, "%v", err)
			}
		}
	}
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

// withProfile puts a seccomp profile in place of its path: the engine may be on another machine.
func withProfile(option string) (string, error) {
	file, is := strings.CutPrefix(option, "seccomp=")
	if !is {
		file, is = strings.CutPrefix(option, "seccomp:")
	}
	if !is || file == "unconfined" || file == "builtin" || strings.HasPrefix(file, "{") {
		return option, nil
	}
	profile, err := os.ReadFile(file)
	if err != nil {
		return option, fmt.Errorf("the seccomp profile cannot be read: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, profile); err != nil {
		return option, fmt.Errorf("the seccomp profile %s is not JSON: %w", file, err)
	}
	return "seccomp=" + compact.String(), nil
}
