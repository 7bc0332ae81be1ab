package dind

import (
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"testing"
)

// daemon is a sidecar as the official image's dockerd-entrypoint.sh and dockerd would bring it up.
type daemon struct {
	env   map[string]string
	ports []string
	tls   bool
}

// startDaemon works out what dockerd reads, from the variables as they reach a service's container.
func startDaemon(t *testing.T, s Sidecar, jobVars map[string]string, service Service) daemon {
	t.Helper()
	env := map[string]string{"DOCKER_TLS_CERTDIR": "/certs"}
	maps.Copy(env, jobVars)
	maps.Copy(env, service.Variables)
	for _, name := range s.Unset {
		delete(env, name)
	}
	maps.Copy(env, s.Env)
	d := daemon{env: env, tls: env["DOCKER_TLS_CERTDIR"] != "", ports: []string{plainPort}}
	if d.tls {
		d.ports = []string{tlsPort}
	}
	for _, arg := range s.Command {
		if port, ok := strings.CutPrefix(arg, "--host=tcp://0.0.0.0:"); ok {
			d.ports = append(d.ports, port)
		}
	}
	if env["DOCKER_TLS_VERIFY"] != "" || env["DOCKER_CERT_PATH"] != "" || strings.HasPrefix(env["DOCKER_HOST"], "tcp:") {
		t.Errorf("the sidecar's environment has what dockerd must not read: %v", env)
	}
	if !d.tls && !slices.Contains(s.Command, "--tls=false") {
		t.Errorf("a daemon without TLS would sleep for 15 s: %q", s.Command)
	}
	return d
}

// client is docker's command in B: where it connects to, how, and where its certificates are.
type client struct {
	host     string
	tls      bool
	certPath string
}

// startClient works out what docker's command does in B, with or without the official image's docker-entrypoint.sh.
func startClient(setup Setup, job Job, jobVars map[string]string, official bool) client {
	env := map[string]string{}
	if official {
		env["DOCKER_TLS_CERTDIR"] = "/certs"
	}
	maps.Copy(env, jobVars)
	maps.Copy(env, setup.BuildEnv)
	dir := path.Join(env["DOCKER_TLS_CERTDIR"], "client")
	found := setup.Certs != nil && setup.Certs.BuildDir == dir
	for _, m := range job.Volumes {
		found = found || within(dir, m.Destination) && !slices.Contains(setup.DropVolumes, m.Destination)
	}
	if official && env["DOCKER_TLS_CERTDIR"] != "" && found && strings.HasPrefix(env["DOCKER_HOST"], "tcp:") &&
		env["DOCKER_TLS_VERIFY"] == "" && env["DOCKER_CERT_PATH"] == "" {
		env["DOCKER_TLS_VERIFY"], env["DOCKER_CERT_PATH"] = "1", dir
	}
	return client{env["DOCKER_HOST"], env["DOCKER_TLS_VERIFY"] != "", env["DOCKER_CERT_PATH"]}
}

// unset marks a variable that the job does not have.
const unset = "(unset)"

// TestAgreement tries what a job can say about its daemon, sense and nonsense alike: in each case the client in B reaches
// its sidecar with the transport that the sidecar speaks, and the sidecar's environment is clean.
func TestAgreement(t *testing.T) {
	t.Parallel()
	const shared = "unix:///run/shared/docker.sock"
	volumes := [][]Mount{
		{{Destination: "/run/shared"}},
		{{Destination: "/run/shared"}, clientVol()},
		{{Destination: "/run/shared"}, {Source: "/srv/certs", Destination: "/certs/client"}},
	}
	tried := 0
	for _, host := range []string{unset, "", "tcp://docker:2375", "tcp://docker:2376", "tcp://docker", "tcp://docker:4243", "tcp://own:2376", "docker:2376", "docker", shared} {
		for _, verify := range []string{unset, "", "1"} {
			for _, certPath := range []string{unset, "", "/certs/client", "/home/ci/certs"} {
				for _, certDir := range []string{unset, "", "/certs", "/tls/", "no/path", "/tmp/certs"} {
					for _, serviceDir := range []string{unset, "", "/own"} {
						for i, mounts := range volumes {
							if host == shared && verify == "1" {
								continue // TLS over a unix socket: no setup can help, TestContradictions has the warning
							}
							tried++
							tryAgreement(t, host, verify, certPath, certDir, serviceDir, mounts,
								fmt.Sprintf("host %s verify %s path %s dir %s service %s volumes %d", host, verify, certPath, certDir, serviceDir, i))
						}
					}
				}
			}
		}
	}
	if tried < 4000 {
		t.Errorf("only %d combinations tried", tried)
	}
}

func tryAgreement(t *testing.T, host, verify, certPath, certDir, serviceDir string, mounts []Mount, name string) {
	t.Helper()
	jobVars := map[string]string{"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": verify, "DOCKER_CERT_PATH": certPath, "DOCKER_TLS_CERTDIR": certDir}
	maps.DeleteFunc(jobVars, func(_, value string) bool { return value == unset })
	dind := service("docker:dind", "docker", "own")
	dind.Variables = map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/x", "DOCKER_HOST": "tcp://x:1", "DOCKER_TLS_CERTDIR": serviceDir}
	maps.DeleteFunc(dind.Variables, func(_, value string) bool { return value == unset })
	job := Job{Privileged: true, BuildImage: "docker:cli", Services: []Service{dind, service("docker:24-dind", "docker", "second")}, Volumes: mounts,
		Variables: func(name string) (string, bool) { value, ok := jobVars[name]; return value, ok }}

	setup := mustDecide(t, job)
	for key := range setup.BuildEnv {
		if jobVars[key] != "" {
			t.Errorf("%s: B's %s is taken from the job", name, key)
		}
	}
	if len(setup.Sidecars) != 2 {
		t.Fatalf("%s: %d sidecars, want 2", name, len(setup.Sidecars))
	}
	var daemons []daemon
	for _, s := range setup.Sidecars {
		daemons = append(daemons, startDaemon(t, s, jobVars, job.Services[s.Service]))
	}
	if daemons[0].tls != daemons[1].tls {
		t.Errorf("%s: the sidecars differ in their transport", name)
	}
	for _, official := range []bool{true, false} {
		c := startClient(setup, job, jobVars, official)
		switch at := parseEndpoint(c.host); {
		case at.socket != "":
			if daemons[0].env["DOCKER_HOST"] != c.host || c.tls {
				t.Errorf("%s: the client %+v does not reach the daemon %+v", name, c, daemons[0])
			}
		case !slices.Contains(setup.Sidecars[0].Aliases, at.host) || !slices.Contains(daemons[0].ports, at.port) || c.tls != daemons[0].tls:
			t.Errorf("%s: the client %+v does not reach the daemon %+v", name, c, daemons[0])
		case c.tls && setup.Certs != nil && (c.certPath != setup.Certs.BuildDir || daemons[0].env["DOCKER_TLS_CERTDIR"] != setup.Certs.Dir):
			t.Errorf("%s: certificates at %+v, but the client is %+v", name, *setup.Certs, c)
		}
	}
}

// TestContradictions has the warnings of jobs that contradict themselves, and what they get.
func TestContradictions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		variables func(string) (string, bool)
		service   map[string]string
		kind      string
		command   []string
		warn      string
	}{
		{name: "2376 without TLS", variables: vars("DOCKER_HOST", "tcp://docker:2376", "DOCKER_TLS_CERTDIR", ""), kind: KindTLS, warn: "TLS is used"},
		{name: "2375 with TLS", variables: vars("DOCKER_HOST", "tcp://docker:2375", "DOCKER_TLS_CERTDIR", "/certs"), kind: KindPlain, command: []string{"--tls=false"}, warn: "no TLS is used"},
		{name: "verify at 2375", variables: vars("DOCKER_HOST", "tcp://docker:2375", "DOCKER_TLS_VERIFY", "1"), kind: KindTLS, command: []string{"--host=tcp://0.0.0.0:2375"}, warn: "TLS is used"},
		{name: "verify without TLS", variables: vars("DOCKER_TLS_VERIFY", "1", "DOCKER_TLS_CERTDIR", ""), kind: KindTLS, warn: "TLS is used"},
		{name: "verify on a socket", variables: vars("DOCKER_TLS_VERIFY", "1", "DOCKER_HOST", "unix:///builds/docker.sock"), kind: KindSharedSocket, warn: "leave DOCKER_TLS_VERIFY out"},
		{name: "another port", variables: vars("DOCKER_HOST", "tcp://docker:4243"), kind: KindTLS, command: []string{"--host=tcp://0.0.0.0:4243"}},
		{name: "a directory that the image's entrypoint hides", variables: vars("DOCKER_TLS_CERTDIR", "/tmp/certs"), kind: KindTLS, warn: "no directory"},
		{name: "no directory", variables: vars("DOCKER_TLS_CERTDIR", "certs"), kind: KindTLS, warn: "no directory"},
		{name: "the service beats the job", variables: vars("DOCKER_TLS_CERTDIR", "/certs"), service: map[string]string{"DOCKER_TLS_CERTDIR": ""}, kind: KindPlain, command: []string{"--tls=false"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dind := service("docker:dind")
			dind.Variables = test.service
			got := mustDecide(t, Job{Privileged: true, Services: []Service{dind}, Volumes: []Mount{buildsVol()}, Variables: test.variables})
			if got.Kind != test.kind || !slices.Equal(got.Sidecars[0].Command, test.command) {
				t.Errorf("kind %q, command %q, want %q, %q", got.Kind, got.Sidecars[0].Command, test.kind, test.command)
			}
			if warnings := strings.Join(got.Warnings, "\n"); (warnings == "") != (test.warn == "") || !strings.Contains(warnings, test.warn) {
				t.Errorf("warnings %q, want %q", warnings, test.warn)
			}
		})
	}
}

// TestAddress checks that what B gets as DOCKER_HOST can be taken apart again, for a sidecar that is not called docker.
func TestAddress(t *testing.T) {
	t.Parallel()
	got := mustDecide(t, Job{Privileged: true, Services: []Service{service("alpine/socat", "docker"), service("docker:dind", "docker", "engine")}})
	if host, port, err := net.SplitHostPort(strings.TrimPrefix(got.BuildEnv["DOCKER_HOST"], "tcp://")); err != nil || host != "engine" || port != tlsPort {
		t.Errorf("DOCKER_HOST %q", got.BuildEnv["DOCKER_HOST"])
	}
}
