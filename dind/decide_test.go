package dind

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vars makes a job's variables of pairs.
func vars(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// service is a dind service as GitLab sends it, with the alias that its name gives.
func service(name string, aliases ...string) Service {
	if aliases == nil {
		aliases = []string{"docker"}
	}
	return Service{Name: name, Aliases: aliases}
}

func hostSocket() Mount {
	return Mount{Source: "/var/run/docker.sock", Destination: "/var/run/docker.sock"}
}
func clientVol() Mount { return Mount{Destination: "/certs/client"} }
func buildsVol() Mount { return Mount{Destination: "/builds"} }

func mustDecide(t *testing.T, job Job) Setup {
	t.Helper()
	setup, err := Decide(job)
	if err != nil {
		t.Fatalf("Decide: %v", err)
	}
	return setup
}

// latest is the image of the field notes' jobs and services.
const latest = "docker:latest"

func neverInSidecar() []string {
	return []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_HOST"}
}

func ownNames() []string { return []string{"docker", "localhost", "127.0.0.1"} }

func plainEnv() map[string]string {
	return map[string]string{"DOCKER_HOST": "tcp://docker:2375", "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}
}

func tlsEnv() map[string]string {
	return map[string]string{"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs/client", "DOCKER_TLS_CERTDIR": "/certs"}
}

func socketEnv() map[string]string {
	return map[string]string{"DOCKER_HOST": "unix:///var/run/docker.sock", "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}
}

// setupCase is a job and all of its setup.
type setupCase struct {
	name string
	job  Job
	want Setup
}

func checkSetups(t *testing.T, tests []setupCase) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, mustDecide(t, test.job)); diff != "" {
				t.Errorf("setup (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNotes holds the pipelines of the field notes: experiment 1 on configuration 2, experiment 2 on 3, experiment 3 on 1.
func TestNotes(t *testing.T) {
	t.Parallel()
	checkSetups(t, []setupCase{
		{
			name: "experiment 1: plain",
			job: Job{Privileged: true, BuildImage: latest, Services: []Service{service(latest)}, Volumes: []Mount{buildsVol()},
				Variables: vars("DOCKER_TLS_CERTDIR", "")},
			want: Setup{
				Kind: KindPlain, Note: "docker-in-docker: docker:latest at tcp://docker:2375 (mode plain), since the job declares the service",
				BuildEnv: plainEnv(),
				Sidecars: []Sidecar{{Image: latest, Aliases: []string{"docker"}, Command: []string{"--tls=false"}, Unset: neverInSidecar(),
					Env: map[string]string{"DOCKER_TLS_CERTDIR": ""}, Privileged: true}},
			},
		},
		{
			name: "experiment 2: TLS, the configured /certs/client replaced",
			job:  Job{Privileged: true, BuildImage: latest, Services: []Service{service(latest)}, Volumes: []Mount{clientVol(), buildsVol()}},
			want: Setup{
				Kind: KindTLS, Note: "docker-in-docker: docker:latest at tcp://docker:2376 (mode tls), since the job declares the service",
				BuildEnv: tlsEnv(), DropVolumes: []string{"/certs/client"},
				Certs: &Certs{Dir: "/certs", ClientDir: "/certs/client", BuildDir: "/certs/client", Names: ownNames()},
				Sidecars: []Sidecar{{Image: latest, Aliases: []string{"docker"}, Unset: neverInSidecar(),
					Env: map[string]string{"DOCKER_TLS_CERTDIR": "/certs"}, Privileged: true}},
			},
		},
		{
			name: "experiment 3: the host's socket, no service",
			job:  Job{BuildImage: latest, Volumes: []Mount{hostSocket(), buildsVol()}},
			want: Setup{
				Kind:     KindSocket,
				Note:     "docker-in-docker: none, docker is the host's engine through its mounted socket /var/run/docker.sock (mode socket)",
				BuildEnv: socketEnv(),
			},
		},
	})
}

// TestNotesErrors holds the mixtures that gave the notes' errors.
func TestNotesErrors(t *testing.T) {
	t.Parallel()
	checkSetups(t, []setupCase{
		{
			name: "the host's socket and a dind service do not collide",
			job:  Job{BuildImage: latest, Services: []Service{service(latest)}, Volumes: []Mount{hostSocket(), buildsVol()}},
			want: Setup{
				Kind:     KindSocket,
				Note:     "docker-in-docker: none (service docker:latest is not started), docker is the host's engine through its mounted socket /var/run/docker.sock (mode socket)",
				BuildEnv: socketEnv(), SkipServices: []int{0},
			},
		},
		{
			name: "error 1: the service was forgotten",
			job:  Job{Privileged: true, BuildImage: latest, Volumes: []Mount{clientVol(), buildsVol()}},
			want: Setup{
				Kind: KindTLS, Note: "docker-in-docker: docker:latest at tcp://docker:2376 (mode tls), since the job's image has a docker client and the job names no daemon",
				BuildEnv: tlsEnv(), DropVolumes: []string{"/certs/client"},
				Certs: &Certs{Dir: "/certs", ClientDir: "/certs/client", BuildDir: "/certs/client", Names: ownNames()},
				Sidecars: []Sidecar{{Service: -1, Image: latest, Aliases: []string{"docker"}, Unset: neverInSidecar(),
					Env: map[string]string{"DOCKER_TLS_CERTDIR": "/certs"}, Privileged: true}},
			},
		},
		{
			name: "error 2: the job says 2375, the image means 2376",
			job: Job{Privileged: true, BuildImage: latest, Services: []Service{service(latest)}, Volumes: []Mount{clientVol(), buildsVol()},
				Variables: vars("DOCKER_HOST", "tcp://docker:2375")},
			want: Setup{
				Kind: KindPlain, Note: "docker-in-docker: docker:latest at tcp://docker:2375 (mode plain), since the job declares the service",
				BuildEnv:    map[string]string{"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": "", "DOCKER_TLS_CERTDIR": ""},
				DropVolumes: []string{"/certs/client"},
				Sidecars: []Sidecar{{Image: latest, Aliases: []string{"docker"}, Command: []string{"--tls=false"}, Unset: neverInSidecar(),
					Env: map[string]string{"DOCKER_TLS_CERTDIR": ""}, Privileged: true}},
			},
		},
	})
}

// whetherCase is a privileged job and what it gets.
type whetherCase struct {
	name  string
	job   Job
	kind  string
	image string // of the sidecar
	skip  []int
	note  string // a part
	warn  string // a part of the only warning
}

func checkWhether(t *testing.T, tests []whetherCase) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.job.Privileged = true
			got := mustDecide(t, test.job)
			if got.Kind != test.kind {
				t.Errorf("kind %q, want %q", got.Kind, test.kind)
			}
			var image string
			for _, s := range got.Sidecars {
				image += s.Image
			}
			if image != test.image {
				t.Errorf("sidecars %q, want %q", image, test.image)
			}
			if !slices.Equal(got.SkipServices, test.skip) {
				t.Errorf("skipped %v, want %v", got.SkipServices, test.skip)
			}
			if !strings.Contains(got.Note, test.note) {
				t.Errorf("note %q lacks %q", got.Note, test.note)
			}
			if warnings := strings.Join(got.Warnings, "\n"); (warnings == "") != (test.warn == "") || !strings.Contains(warnings, test.warn) {
				t.Errorf("warnings %q, want %q", warnings, test.warn)
			}
		})
	}
}

// TestAuto covers who gets a sidecar in mode auto.
func TestAuto(t *testing.T) {
	t.Parallel()
	dind := []Service{service("docker:dind")}
	checkWhether(t, []whetherCase{
		{name: "auto, an ordinary job", job: Job{BuildImage: "alpine"}},
		{name: "auto, an ordinary service", job: Job{BuildImage: "alpine", Services: []Service{service("redis", "redis")}}},
		{name: "auto, a dind service", job: Job{BuildImage: "alpine", Services: dind}, kind: KindTLS, image: "docker:dind"},
		{name: "auto, the configured image as a service", job: Job{Image: "lan/engine:1", Services: []Service{service("lan/engine:1")}}, kind: KindTLS, image: "lan/engine:1"},
		{name: "auto, asked", job: Job{BuildImage: "debian", Variables: vars("LCED_DIND", "true")}, kind: KindTLS, image: "docker:dind"},
		{name: "auto, asked with an image", job: Job{Image: "lan/docker:dind", Variables: vars("LCED_DIND", "1")}, kind: KindTLS, image: "lan/docker:dind"},
		{name: "auto, asked although there is a socket", job: Job{BuildImage: "debian", Volumes: []Mount{hostSocket()}, Variables: vars("LCED_DIND", "true")}, kind: KindTLS, image: "docker:dind", note: "LCED_DIND"},
		{name: "auto, forbidden", job: Job{BuildImage: "docker", Services: dind, Variables: vars("LCED_DIND", "false")}, note: "LCED_DIND"},
		{name: "auto, asked unclearly", job: Job{BuildImage: "alpine", Variables: vars("LCED_DIND", "maybe")}, warn: "LCED_DIND"},
		{name: "auto, a client image", job: Job{BuildImage: "docker:27-cli"}, kind: KindTLS, image: "docker:dind"},
		{name: "auto, a dind image as job image", job: Job{BuildImage: "lan/library/docker:27"}, kind: KindTLS, image: "lan/library/docker:27"},
		{name: "auto, a client image and a service called docker", job: Job{BuildImage: "docker:cli", Services: []Service{service("alpine/socat", "docker")}}},
		{name: "asked, a service called docker", job: Job{Services: []Service{service("alpine/socat", "docker")}, Variables: vars("LCED_DIND", "true")}, warn: "LCED_DIND has no effect"},
		{name: "auto, another host", job: Job{BuildImage: "docker:cli", Variables: vars("DOCKER_HOST", "tcp://10.0.0.9:2376")}, note: "tcp://10.0.0.9:2376"},
		{name: "auto, another host by ssh", job: Job{BuildImage: "docker:cli", Variables: vars("DOCKER_HOST", "ssh://build@lan")}, note: "ssh://build@lan"},
		{name: "auto, another host and a service", job: Job{Services: dind, Variables: vars("DOCKER_HOST", "tcp://big:2375")}, skip: []int{0}, note: "docker:dind is not started"},
		{name: "auto, localhost", job: Job{Services: dind, Variables: vars("DOCKER_HOST", "tcp://localhost:2375")}, skip: []int{0}, note: "localhost", warn: "name the host docker"},
		{name: "auto, an empty DOCKER_HOST", job: Job{Services: dind, Variables: vars("DOCKER_HOST", "")}, kind: KindTLS, image: "docker:dind"},
	})
}

// TestModesAndSockets covers the other modes, and the host's socket.
func TestModesAndSockets(t *testing.T) {
	t.Parallel()
	dind := []Service{service("docker:dind")}
	checkWhether(t, []whetherCase{
		{name: "always", job: Job{Mode: ModeAlways, BuildImage: "alpine"}, kind: KindTLS, image: "docker:dind", note: "always"},
		{name: "always, a socket", job: Job{Mode: ModeAlways, Volumes: []Mount{hostSocket()}}, kind: KindSocket, note: "socket"},
		{name: "always, forbidden by the job all the same", job: Job{Mode: ModeAlways, Variables: vars("LCED_DIND", "false")}, kind: KindTLS, image: "docker:dind"},
		{name: "off", job: Job{Mode: ModeOff, BuildImage: "docker", Services: dind, Variables: vars("LCED_DIND", "true")}},
		{name: "a socket, an ordinary job", job: Job{BuildImage: "alpine", Volumes: []Mount{hostSocket()}}, kind: KindSocket},
		{name: "a socket, DOCKER_HOST names it", job: Job{BuildImage: "docker", Services: dind, Volumes: []Mount{hostSocket()}, Variables: vars("DOCKER_HOST", "unix:///run/docker.sock")}, kind: KindSocket, skip: []int{0}, note: "socket"},
		{name: "a socket, DOCKER_HOST names the service", job: Job{BuildImage: "docker", Services: dind, Volumes: []Mount{hostSocket()}, Variables: vars("DOCKER_HOST", "tcp://docker:2376")}, kind: KindTLS, image: "docker:dind"},
		{name: "a socket, DOCKER_HOST names a forgotten service", job: Job{BuildImage: "docker:cli", Volumes: []Mount{hostSocket()}, Variables: vars("DOCKER_HOST", "tcp://docker:2375")}, kind: KindPlain, image: "docker:dind"},
		{name: "a directory with the socket", job: Job{BuildImage: "docker", Volumes: []Mount{{Source: "/run", Destination: "/host/run"}}}, kind: KindSocket, note: "/host/run/docker.sock"},
		{name: "all names taken", job: Job{Services: []Service{service("redis", "docker"), service("docker:dind")}}, skip: []int{1}, warn: "services[1]"},
	})
}

// TestRefusals covers jobs that cannot have the sidecar they want; the sentence names the key.
func TestRefusals(t *testing.T) {
	t.Parallel()
	dind := []Service{service("docker:dind")}
	tests := []struct {
		name string
		job  Job
		key  string
	}{
		{"service, unprivileged", Job{Services: dind}, "[runners.dind] privileged = true"},
		{"asked, unprivileged", Job{Variables: vars("LCED_DIND", "true")}, "[runners.dind] privileged = true"},
		{"always, unprivileged", Job{Mode: ModeAlways}, "[runners.dind] privileged = true"},
		{"network none", Job{Privileged: true, Services: dind, NetworkMode: "none"}, `network_mode = "none"`},
		{"network of a container", Job{Privileged: true, Services: dind, NetworkMode: "container:web"}, `network_mode = "container:web"`},
		{"socket that is not shared", Job{Privileged: true, Services: dind, Variables: vars("DOCKER_HOST", "unix:///var/run/docker.sock")}, "volumes in [runners.docker]"},
		{"socket on a read-only volume", Job{Privileged: true, Services: dind, Volumes: []Mount{{Source: "/srv", Destination: "/srv", ReadOnly: true}}, Variables: vars("DOCKER_HOST", "unix:///srv/docker.sock")}, "volumes in [runners.docker]"},
		{"unknown mode", Job{Mode: "sometimes"}, "mode"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decide(test.job)
			if err == nil || !strings.Contains(err.Error(), test.key) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, test.key)
			}
			if diff := cmp.Diff(Setup{}, got); diff != "" {
				t.Errorf("a refusal has a setup: %s", diff)
			}
		})
	}
}

// TestOnlyOffered covers jobs whose image alone suggests a sidecar: without one they go on.
func TestOnlyOffered(t *testing.T) {
	t.Parallel()
	for _, job := range []Job{
		{BuildImage: "docker:cli"},
		{BuildImage: "docker:cli", Privileged: true, NetworkMode: "none"},
		{BuildImage: "docker:cli", Privileged: true, Variables: vars("DOCKER_HOST", "unix:///nowhere/docker.sock")},
	} {
		got := mustDecide(t, job)
		if got.Kind != KindNone || got.Sidecars != nil || got.BuildEnv != nil || len(got.Warnings) != 1 {
			t.Errorf("%+v: got %+v, want one warning and nothing else", job, got)
		}
	}
}

func TestRuntimeWithoutPrivilege(t *testing.T) {
	t.Parallel()
	got := mustDecide(t, Job{Runtime: "sysbox-runc", Services: []Service{service("docker:dind")}})
	if len(got.Sidecars) != 1 || got.Sidecars[0].Privileged {
		t.Errorf("sidecars %+v, want one without privilege", got.Sidecars)
	}
}

func TestHostNamesTheSidecar(t *testing.T) {
	t.Parallel()
	job := Job{Privileged: true, BuildImage: "debian", Volumes: []Mount{buildsVol()}, Variables: vars("DOCKER_HOST", "tcp://docker:2375")}
	got := mustDecide(t, job)
	if got.Kind != KindPlain || len(got.Sidecars) != 1 || got.Sidecars[0].Image != "docker:dind" || !strings.Contains(got.Note, "since DOCKER_HOST names it") {
		t.Errorf("kind %q, sidecars %v, note %q", got.Kind, got.Sidecars, got.Note)
	}
	job.Privileged = false
	if _, err := Decide(job); err == nil || !strings.Contains(err.Error(), "[runners.dind] privileged = true") || !strings.Contains(err.Error(), "tcp://docker:2375") {
		t.Errorf("error %v", err)
	}
	job.Services = []Service{service("alpine/socat", "docker")}
	if got := mustDecide(t, job); len(got.Sidecars) != 0 {
		t.Errorf("the job's own service is called docker, yet it gets %v", got.Sidecars)
	}
}
