package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// surroundings completes a runner by files that it refers to. dir is that of the configuration.
func surroundings(p *problems, dir string, r *Runner, n *node, env func(string) string) {
	ca, cert, key := Certificates(dir, r.URL, env)
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

// Certificates finds the files that gitlab-runner uses for a GitLab without being told. In the directory certs beside the
// configuration in dir they are HOST.crt with further authorities, and HOST.auth.crt with HOST.auth.key, a client
// certificate. For a GitLab without authorities of its own there are those that gitlab-runner's images take in when they
// start: the file that CA_CERTIFICATES_PATH names, else ca.crt. A path is empty where there is no such file; the client's
// come both or not at all.
func Certificates(dir, gitlab string, env func(string) string) (ca, cert, key string) {
	certs := filepath.Join(dir, "certs")
	if u, err := url.Parse(gitlab); err == nil && u.Hostname() != "" && !strings.ContainsAny(u.Hostname(), `/\`) {
		host := filepath.Join(certs, u.Hostname())
		ca, cert, key = found(host+".crt"), found(host+".auth.crt"), found(host+".auth.key")
	}
	if cert == "" || key == "" {
		cert, key = "", ""
	}
	return cmp.Or(ca, found(env("CA_CERTIFICATES_PATH")), found(filepath.Join(certs, "ca.crt"))), cert, key
}

// found is the path if there is such a file.
func found(file string) string {
	if stat, err := os.Stat(file); err != nil || !stat.Mode().IsRegular() {
		return ""
	}
	return file
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
