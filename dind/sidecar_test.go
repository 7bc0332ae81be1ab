package dind

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// board is a host of which everything is known, things that a container cannot use included.
func board() Host {
	return Host{
		MTU: 1420, DNS: []string{"192.168.2.1", "127.0.0.53", "fe80::1%eth0"}, DNSSearch: []string{"lan"},
		Mirrors:            []string{"https://mirror.lan/", "http://localhost:5000/"},
		InsecureRegistries: []string{"127.0.0.0/8", "::1/128", "harbor.lan:80", "10.1.0.0/16", "localhost:5000"},
		CertsD:             true, LibModules: true,
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	fromHost := []string{"--mtu=1420", "--dns=192.168.2.1", "--dns-search=lan", "--registry-mirror=https://mirror.lan/",
		"--insecure-registry=harbor.lan:80", "--insecure-registry=10.1.0.0/16"}
	bare := []string{"--host=unix:///var/run/docker.sock", "--host=tcp://0.0.0.0:2376", "--tlsverify",
		"--tlscacert=/certs/server/ca.pem", "--tlscert=/certs/server/cert.pem", "--tlskey=/certs/server/key.pem"}
	tests := []struct {
		name       string
		entrypoint []string
		command    []string
		args       []string
		variables  func(string) (string, bool)
		volumes    []Mount
		want       []string
		warn       string
	}{
		{name: "the host's", want: fromHost},
		{name: "the job's command wins", command: []string{"--mtu", "1300", "--dns=9.9.9.9", "--insecure-registry=a:1"},
			want: append([]string{"--mtu", "1300", "--dns=9.9.9.9", "--insecure-registry=a:1"}, fromHost[2:4]...)},
		{name: "the configuration beats the host", args: []string{"--mtu", "1300", "--dns=9.9.9.9", "-s", "vfs"},
			want: append([]string{"--mtu", "1300", "--dns=9.9.9.9", "-s", "vfs"}, fromHost[2:]...)},
		{name: "the job beats the configuration", command: []string{"--storage-driver=overlay2"}, args: []string{"-s", "vfs", "--mtu=1300"},
			want: append([]string{"--storage-driver=overlay2", "--mtu=1300"}, fromHost[1:]...)},
		{name: "no quiet log from the configuration", args: []string{"--log-level=warn", "-l", "error", "--log-level", "debug"},
			want: append([]string{"--log-level", "debug"}, fromHost...), warn: "--log-level=warn"},
		{name: "a quiet log from the job", command: []string{"--log-level=error"}, want: append([]string{"--log-level=error"}, fromHost...)},
		{name: "plain", variables: vars("DOCKER_TLS_CERTDIR", ""), want: append([]string{"--tls=false"}, fromHost...)},
		{name: "plain, said by the job", variables: vars("DOCKER_TLS_CERTDIR", ""), command: []string{"--tls=false"}, want: append([]string{"--tls=false"}, fromHost...)},
		{name: "plain, but the command is not", variables: vars("DOCKER_TLS_CERTDIR", ""), command: []string{"--tlsverify"},
			want: append([]string{"--tlsverify"}, fromHost...), warn: "asks for TLS"},
		{name: "the documented way around DOCKER_HOST", entrypoint: []string{"env", "-u", "DOCKER_HOST"}, command: []string{"dockerd-entrypoint.sh"},
			want: append([]string{"dockerd-entrypoint.sh"}, fromHost...)},
		{name: "the image's entrypoint by name", entrypoint: []string{"dockerd-entrypoint.sh", "--debug"}, want: fromHost},
		{name: "dockerd itself", command: []string{"dockerd", "--debug"}, want: slices.Concat([]string{"dockerd", "--debug"}, bare, fromHost)},
		{name: "dockerd itself, plain", command: []string{"/usr/local/bin/dockerd"}, variables: vars("DOCKER_TLS_CERTDIR", ""),
			want: slices.Concat([]string{"/usr/local/bin/dockerd", "--host=unix:///var/run/docker.sock", "--host=tcp://0.0.0.0:2375", "--tls=false"}, fromHost)},
		{name: "dockerd itself with hosts", command: []string{"dockerd", "-Hunix:///x"}, want: append([]string{"dockerd", "-Hunix:///x"}, fromHost...)},
		{name: "a script", command: []string{"sh", "-c", "update-ca-certificates && /usr/local/bin/dockerd-entrypoint.sh"},
			want: []string{"sh", "-c", "update-ca-certificates && /usr/local/bin/dockerd-entrypoint.sh"}, warn: "no further arguments"},
		{name: "daemon.json is the operator's", volumes: []Mount{{Source: "/srv/daemon.json", Destination: "/etc/docker/daemon.json"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dind := service("docker:dind")
			dind.Command, dind.Entrypoint = test.command, test.entrypoint
			got := mustDecide(t, Job{Privileged: true, Services: []Service{dind}, Args: test.args, Variables: test.variables, Volumes: test.volumes, Host: board()})
			if diff := cmp.Diff(test.want, got.Sidecars[0].Command); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.entrypoint, got.Sidecars[0].Entrypoint); diff != "" {
				t.Errorf("entrypoint (-want +got):\n%s", diff)
			}
			if warnings := strings.Join(got.Warnings, "\n"); (warnings == "") != (test.warn == "") || !strings.Contains(warnings, test.warn) {
				t.Errorf("warnings %q, want %q", warnings, test.warn)
			}
		})
	}
}

func TestBinds(t *testing.T) {
	t.Parallel()
	authorities := Mount{Source: "/etc/docker/certs.d", Destination: "/etc/docker/certs.d", ReadOnly: true}
	modules := Mount{Source: "/lib/modules", Destination: "/lib/modules", ReadOnly: true}
	tests := []struct {
		name   string
		host   Host
		volume Mount
		want   []Mount
	}{
		{"both", board(), buildsVol(), []Mount{authorities, modules}},
		{"neither exists", Host{}, buildsVol(), nil},
		{"configured", board(), Mount{Source: "/srv/ca", Destination: "/etc/docker/certs.d"}, []Mount{modules}},
		{"configured below", board(), Mount{Source: "/srv/ca", Destination: "/etc/docker/certs.d/harbor.lan"}, []Mount{modules}},
		{"configured above", board(), Mount{Source: "/lib", Destination: "/lib"}, []Mount{authorities}},
	}
	for _, test := range tests {
		got := mustDecide(t, Job{Privileged: true, Services: []Service{service("docker:dind")}, Host: test.host, Volumes: []Mount{test.volume}})
		if diff := cmp.Diff(test.want, got.Sidecars[0].Binds); diff != "" {
			t.Errorf("%s: binds (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestRootless: a daemon without root has its socket, its configuration and its ports elsewhere.
func TestRootless(t *testing.T) {
	t.Parallel()
	decide := func(variables func(string) (string, bool), command ...string) Sidecar {
		t.Helper()
		dind := service("harbor.lan/library/docker:27-dind-rootless", "docker")
		dind.Command = command
		return mustDecide(t, Job{Privileged: true, Services: []Service{dind}, Variables: variables, Host: Host{CertsD: true}}).Sidecars[0]
	}
	plain := decide(nil)
	if diff := cmp.Diff([]Mount{{Source: "/etc/docker/certs.d", Destination: "/home/rootless/.config/docker/certs.d", ReadOnly: true}}, plain.Binds); diff != "" {
		t.Errorf("binds (-want +got):\n%s", diff)
	}
	if plain.Tmpfs["/home/rootless/.config/docker"] != "mode=1777" || plain.Env[rootlessFlags] != "" {
		t.Errorf("tmpfs %v, options of rootlesskit %q", plain.Tmpfs, plain.Env[rootlessFlags])
	}
	bare := decide(vars("DOCKER_TLS_CERTDIR", "", rootlessFlags, "--debug"), "dockerd")
	if diff := cmp.Diff([]string{"dockerd", "--host=unix:///run/user/1000/docker.sock", "--host=tcp://0.0.0.0:2375", "--tls=false"}, bare.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if got, want := bare.Env[rootlessFlags], "--debug -p 0.0.0.0:2375:2375/tcp"; got != want {
		t.Errorf("options of rootlesskit %q, want %q", got, want)
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		services []Service
		want     [][]string
		host     string
	}{
		{"its own", []Service{service("docker:dind")}, [][]string{{"docker"}}, "tcp://docker:2376"},
		{"another registry's image is called docker, too", []Service{service("lan/docker:dind", "lan__docker", "lan-docker")},
			[][]string{{"lan__docker", "lan-docker", "docker"}}, "tcp://docker:2376"},
		{"two: docker is the first", []Service{service("docker:dind", "docker", "one"), service("docker:24", "docker", "two")},
			[][]string{{"docker", "one"}, {"two"}}, "tcp://docker:2376"},
		{"two: docker is whose it is", []Service{service("lan/docker:dind", "one"), service("docker:dind", "docker", "two")},
			[][]string{{"one"}, {"docker", "two"}}, "tcp://docker:2376"},
		{"docker is another service", []Service{service("docker:dind", "engine"), service("alpine/socat", "docker")},
			[][]string{{"engine"}}, "tcp://engine:2376"},
	}
	for _, test := range tests {
		got := mustDecide(t, Job{Privileged: true, Services: test.services})
		var aliases [][]string
		for _, s := range got.Sidecars {
			aliases = append(aliases, s.Aliases)
			for _, alias := range s.Aliases {
				if !slices.Contains(got.Certs.Names, alias) {
					t.Errorf("%s: the certificate is not for %s: %q", test.name, alias, got.Certs.Names)
				}
			}
		}
		if diff := cmp.Diff(test.want, aliases); diff != "" {
			t.Errorf("%s: aliases (-want +got):\n%s", test.name, diff)
		}
		if got.BuildEnv["DOCKER_HOST"] != test.host {
			t.Errorf("%s: DOCKER_HOST %q, want %q", test.name, got.BuildEnv["DOCKER_HOST"], test.host)
		}
	}
}

func TestCertificateVolumes(t *testing.T) {
	t.Parallel()
	explicit := Mount{Source: "/srv/certs", Destination: "/certs/client"}
	tests := []struct {
		name      string
		variables func(string) (string, bool)
		volumes   []Mount
		drop      []string
		certs     *Certs
	}{
		{"below", nil, []Mount{clientVol(), {Destination: "/certs/server"}, {Destination: "/certsx"}}, []string{"/certs/client", "/certs/server"},
			&Certs{"/certs", "/certs/client", "/certs/client", ownNames()}},
		{"at", nil, []Mount{{Destination: "/certs/"}}, []string{"/certs/"}, &Certs{"/certs", "/certs/client", "/certs/client", ownNames()}},
		{"elsewhere", vars("DOCKER_TLS_CERTDIR", "/tls"), []Mount{clientVol(), {Destination: "/tls/client"}}, []string{"/tls/client"},
			&Certs{"/tls", "/tls/client", "/tls/client", ownNames()}},
		{"where the job's client looks", vars("DOCKER_CERT_PATH", "/ci/certs"), []Mount{{Destination: "/ci/certs"}}, []string{"/ci/certs"},
			&Certs{"/certs", "/certs/client", "/ci/certs", ownNames()}},
		{"plain", vars("DOCKER_TLS_CERTDIR", ""), []Mount{clientVol()}, []string{"/certs/client"}, nil},
		{"an explicit source wins", nil, []Mount{explicit}, nil, nil},
		{"an explicit source wins over its neighbours", nil, []Mount{explicit, {Destination: "/certs/ca"}}, nil, nil},
		{"more names", vars("DOCKER_TLS_SAN", "DNS:engine.lan, IP:10.0.0.7"), nil, nil,
			&Certs{"/certs", "/certs/client", "/certs/client", append(ownNames(), "engine.lan", "10.0.0.7")}},
	}
	for _, test := range tests {
		got := mustDecide(t, Job{Privileged: true, Services: []Service{service("docker:dind")}, Variables: test.variables, Volumes: test.volumes})
		if diff := cmp.Diff(test.drop, got.DropVolumes); diff != "" {
			t.Errorf("%s: dropped (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(test.certs, got.Certs); diff != "" {
			t.Errorf("%s: certificates (-want +got):\n%s", test.name, diff)
		}
		const san = "DNS:docker,DNS:localhost,IP:127.0.0.1"
		if own := got.Sidecars[0].Env["DOCKER_TLS_SAN"]; (own == san) != (got.Kind == KindTLS && got.Certs == nil) {
			t.Errorf("%s: DOCKER_TLS_SAN %q", test.name, own)
		}
	}
}

func TestSharedSocket(t *testing.T) {
	t.Parallel()
	const host = "unix:///runner/services/docker/docker.sock"
	job := Job{Privileged: true, Services: []Service{service("docker:dind"), service("docker:24", "docker", "second")},
		Volumes: []Mount{hostSocket(), {Destination: "/runner/services/docker"}}, Variables: vars("DOCKER_HOST", host)}
	got := mustDecide(t, job)
	if got.Kind != KindSharedSocket || got.StaleSocket != "/runner/services/docker/docker.sock" || !strings.Contains(got.Note, host) {
		t.Errorf("kind %q, stale socket %q, note %q", got.Kind, got.StaleSocket, got.Note)
	}
	if diff := cmp.Diff(map[string]string{"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}, got.BuildEnv); diff != "" {
		t.Errorf("B's environment (-want +got):\n%s", diff)
	}
	if first, second := got.Sidecars[0].Env["DOCKER_HOST"], got.Sidecars[1].Env["DOCKER_HOST"]; first != host || second != "" {
		t.Errorf("sockets %q and %q, want the shared one for the first only", first, second)
	}
	if got.Certs == nil {
		t.Error("without certificates the sidecar would make its own, which takes seconds, for a port that nobody uses")
	}
}

// TestOwnSocket has a service that moves its daemon's socket for itself alone: B stays with TCP.
func TestOwnSocket(t *testing.T) {
	t.Parallel()
	dind := service("docker:dind")
	dind.Variables = map[string]string{"DOCKER_HOST": "unix:///run/own.sock"}
	got := mustDecide(t, Job{Privileged: true, Services: []Service{dind}})
	if own := got.Sidecars[0].Env["DOCKER_HOST"]; own != "unix:///run/own.sock" || got.BuildEnv["DOCKER_HOST"] != "tcp://docker:2376" {
		t.Errorf("the sidecar's DOCKER_HOST is %q, B's %q", own, got.BuildEnv["DOCKER_HOST"])
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		variables func(string) (string, bool)
		want      string
	}{
		{"no proxy", vars("NO_PROXY", "lan"), ""},
		{"nothing excepted", vars("HTTPS_PROXY", "http://proxy:3128"), "docker"},
		{"something excepted", vars("http_proxy", "http://proxy:3128", "no_proxy", "lan, .local"), "lan,.local,docker"},
		{"all is said", vars("DOCKER_HOST", "tcp://docker:2376", "DOCKER_TLS_VERIFY", "1", "DOCKER_CERT_PATH", "/certs/client", "DOCKER_TLS_CERTDIR", "/certs", "HTTP_PROXY", "http://proxy:3128"), "docker"},
		{"excepted already", vars("HTTP_PROXY", "http://proxy:3128", "NO_PROXY", "lan,docker"), ""},
		{"everything excepted", vars("HTTP_PROXY", "http://proxy:3128", "NO_PROXY", "*"), ""},
	}
	for _, test := range tests {
		got := mustDecide(t, Job{Privileged: true, Services: []Service{service("docker:dind")}, Variables: test.variables}).BuildEnv
		if got["NO_PROXY"] != test.want || got["no_proxy"] != test.want {
			t.Errorf("%s: %q and %q, want %q", test.name, got["NO_PROXY"], got["no_proxy"], test.want)
		}
	}
}

func TestHostNetwork(t *testing.T) {
	t.Parallel()
	for network, want := range map[string]bool{"": false, "lan": false, "host": true} {
		if got := mustDecide(t, Job{Privileged: true, Services: []Service{service("docker:dind")}, NetworkMode: network}); got.ExtraHosts != want {
			t.Errorf("network_mode %q: extra hosts %v, want %v", network, got.ExtraHosts, want)
		}
	}
}
