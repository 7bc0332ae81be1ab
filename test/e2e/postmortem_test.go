package e2e

import (
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// unset takes the transport out of a command that is to choose its own.
const unset = "env -u DOCKER_TLS_VERIFY -u DOCKER_CERT_PATH "

// selfSigned makes a certificate that nobody trusts.
const selfSigned = "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=nobody -days 1 2>/dev/null"

// TestPostMortem: what goes wrong with docker in a job is explained once, at the end of its log, in one sentence with the
// remedy. All of it really goes wrong.
func TestPostMortem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "\n    volumes = [\"/run/shared\"]"+plainConfig, nil)
	docker := func(script ...string) coordinator.JobSpec {
		return with(in("docker:latest", script...), "GIT_STRATEGY=none")
	}
	daemon := func(spec coordinator.JobSpec, args ...string) coordinator.JobSpec {
		return beside(spec, ciyaml.Service{Image: ciyaml.Image{Name: "docker:dind"}, Command: args})
	}
	explained := func(sentence string) func(*testing.T, ending) {
		return func(t *testing.T, e ending) {
			t.Helper()
			if e.State != coordinator.StateFailed || strings.Count(e.log, sentence) != 1 {
				t.Errorf("state %s, want a failure and once in the log %q:\n%s", e.State, sentence, e.log)
			}
			if _, end, _ := strings.Cut(e.log, "cleanup_file_variables"); !strings.Contains(end, sentence) && strings.Contains(e.log, "cleanup_file_variables") {
				t.Errorf("the explanation is not at the end of the log:\n%s", e.log)
			}
		}
	}
	killed := w.submit(docker("echo begun", "sleep 2; until ! docker info; do sleep 1; done", "false"))
	w.play([]scenario{
		{"plain to the port with TLS", docker(unset + "docker -H tcp://docker:2376 info"), explained("spoke without TLS to a port that wants it")},
		{"TLS to the port without", with(docker(selfSigned, "docker -H tcp://docker:2375 --tlsverify --tlscacert c --tlscert c --tlskey k info"), "DOCKER_TLS_CERTDIR="), explained("spoke TLS to a port without it")},
		{"the wrong port", docker(unset + "docker -H tcp://docker:2375 info"), explained("does not listen where DOCKER_HOST says")},
		{"the wrong host", docker(unset + "docker -H tcp://engine:2375 info"), explained("names a host that does not exist on the job's network")},
		{"no daemon", with(docker("docker -H unix:///var/run/docker.sock info"), "LCED_DIND=false"), explained("no docker socket is mounted")},
		{"no permission on the socket", with(docker("docker info", `su -s /bin/sh -c "docker -H $DOCKER_HOST info" nobody`), "DOCKER_HOST=unix:///run/shared/docker.sock"),
			explained("the job's user may not use the docker socket")},
		{"no subnet left", daemon(docker("docker network create one", "docker network create two"), "--bip=10.213.0.1/24", "--default-address-pool=base=10.214.0.0/24,size=24"),
			explained("has no subnet left for another network")},
		{"no subnet at all", daemon(docker("docker info"), "--default-address-pool=base=10.215.0.0/31,size=31"), explained("has no free range of addresses")},
		{"disk full", daemon(docker("head -c 100000000 /dev/zero >big", "tar -c big | docker import - big"), "--data-root=/dev/shm/docker"), explained("the board's disk is full")},
		{"overlay over overlay", daemon(docker("docker info"), "--data-root=/data", "--storage-driver=overlay2"), explained("lies on a file system that overlay cannot use")},
		{"an argument nobody knows", daemon(docker("docker info"), "--registry-miror=https://r.lan"), explained("does not know one of its arguments")},
		{"nothing to explain", docker("docker info", "exit 3"), lacks(fails("script_failure", 3), "WARNING")},
	})
	w.awaitLog(killed, "begun")
	w.killService(killed)
	j, log := w.await(killed)
	explained("ended with exit code 137 while the job ran")(t, ending{j, log})
	wantTexts(t, log, "the sidecar was killed (exit code 137)")
}

// TestPostMortemConfig: causes that lie in the configuration.
func TestPostMortemConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "\n    service_memory = \"24m\""+plainConfig, nil)
	j, log := w.run(with(withService(in("docker:latest", "docker info"), "docker:dind"), "GIT_STRATEGY=none"))
	if j.State != coordinator.StateFailed || strings.Count(log, "raise service_memory in [runners.docker]") != 1 {
		t.Errorf("state %s:\n%s", j.State, log)
	}
	w.drain()
	w.configure("\n    services_tmpfs = {\"/dev/net\" = \"rw\"}" + plainConfig)
	w.startRunner()
	j, log = w.run(with(withService(in("docker:latest", "docker info"), "docker:dind-rootless"), "GIT_STRATEGY=none"))
	if j.State != coordinator.StateFailed || strings.Count(log, "a rootless daemon cannot open /dev/net/tun") != 1 {
		t.Errorf("state %s:\n%s", j.State, log)
	}
	w.drain()
	w.configure("\n    image = \"busybox:latest\"\n    pull_policy = \"if-not-present\"\n    wait_for_services_timeout = 120\n  [runners.dind]\n    mode = \"off\"\n")
	w.startRunner()
	j, log = w.run(with(withService(in("docker:latest", "docker info"), "docker:dind"), "GIT_STRATEGY=none", "DOCKER_TLS_CERTDIR="))
	if j.State != coordinator.StateFailed || strings.Count(log, "the docker-in-docker container is not privileged: set [runners.dind] privileged = true in config.toml") != 1 {
		t.Errorf("state %s:\n%s", j.State, log)
	}
}

// killService kills the service of a job.
func (w *world) killService(job int64) {
	w.t.Helper()
	for _, name := range w.runningContainers(job) {
		if strings.HasPrefix(name, "/") && strings.Contains(name, "-docker-") {
			if _, err := w.docker.ContainerKill(w.t.Context(), strings.TrimPrefix(name, "/"), client.ContainerKillOptions{}); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatalf("job %d has no service", job)
}
