package e2e

import (
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// listener is a service that listens on its port 6379, which its image exposes, some seconds after its start.
func listener(alias, after string) ciyaml.Service {
	return ciyaml.Service{
		Image: ciyaml.Image{Name: "lced-test/listener:latest"}, Alias: alias,
		Variables: []ciyaml.Variable{{Name: "LISTEN_AFTER", Value: after}},
	}
}

// dyingService ends as soon as it starts.
func dyingService() ciyaml.Service {
	return ciyaml.Service{Image: ciyaml.Image{Name: "lced-test/dying:latest"}, Alias: "db"}
}

func TestConformance_06_Services(t *testing.T) {
	t.Parallel()
	commanded := ciyaml.Service{
		Image: ciyaml.Image{Name: "busybox:latest", Entrypoint: []string{"sh", "-c"}}, Alias: "web",
		Command: []string{`hostname -i >/builds/address; while :; do echo "hello from $CI_JOB_NAME" | nc -l -p 80; done`},
	}
	w := newWorld(t, plainConfig, nil)
	// Each asks once: a service that was not waited for would not answer.
	w.play([]scenario{
		{"slow start, names given and derived",
			beside(job("nc one 6379 </dev/null", "nc two 6379 </dev/null", "nc lced-test__listener 6379 </dev/null", "nc lced-test-listener 6379 </dev/null"), listener("one,two", "3")),
			func(t *testing.T, e ending) {
				succeeds("Starting service lced-test/listener:latest...", "Waiting for services to be up and running")(t, e)
				e.times(t, "+PONG\n", 4)
			}},
		{"two services", beside(job("nc one 6379 </dev/null", "nc two 6379 </dev/null"), listener("one", "0"), listener("two", "1")), func(t *testing.T, e ending) {
			succeeds()(t, e)
			e.times(t, "+PONG\n", 2)
		}},
		{"a service that dies", beside(job("echo the job goes on"), dyingService()), succeeds(
			"WARNING:", "probably didn't start properly", "exit code 3", "database directory /data is missing", "\nthe job goes on\n")},
		{"entrypoint and command of the job", beside(job("until nc web 80 </dev/null; do sleep 0.1; done"), commanded), succeeds("hello from job\n")},
		{"service that cannot be had", beside(job("echo never"), ciyaml.Service{Image: ciyaml.Image{Name: "lced-test/no-such", PullPolicy: []string{"if-not-present"}}}), lacks(func(t *testing.T, e ending) {
			if e.State != coordinator.StateFailed {
				t.Errorf("state %s\n%s", e.State, e.log)
			}
			e.has(t, "image lced-test/no-such")
		}, "\nnever\n")},
	})
}

// committed makes an image from busybox with changes in the words of a Dockerfile, and removes it in the end.
func committed(t *testing.T, docker *client.Client, name string, changes ...string) string {
	t.Helper()
	made, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{Image: "busybox:latest"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = docker.ContainerCommit(t.Context(), made.ID, client.ContainerCommitOptions{Reference: name, Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := docker.ContainerRemove(t.Context(), made.ID, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, docker, name) })
	return name
}

func removeImage(t *testing.T, docker *client.Client, name string) {
	t.Helper()
	if _, err := docker.ImageRemove(cleanupContext(), name, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

// TestConformance_06_ServiceLogsAndHealth is about what the log shows of services.
func TestConformance_06_ServiceLogsAndHealth(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	run := `CMD ["sh", "-c", "echo out of the service; echo secret-of-the-job; sleep 2; touch /tmp/ready; exec sleep 600"]`
	healthy := committed(t, w.docker, "lced-e2e/healthy:latest", "HEALTHCHECK --interval=1s --retries=30 CMD test -f /tmp/ready", run)
	sick := committed(t, w.docker, "lced-e2e/sick:latest", `HEALTHCHECK --interval=1s --retries=2 CMD echo the disk is full; exit 1`, run, "EXPOSE 6379")
	w.configure(plainConfig)
	w.startRunner()
	service := func(image string) ciyaml.Service {
		return ciyaml.Service{Image: ciyaml.Image{Name: image}, Alias: "db"}
	}
	shown := with(beside(job("until wget -q -O- web:80/; do sleep 0.2; done", "echo 'secret-of-the-job'"), ciyaml.Service{
		Image: ciyaml.Image{Name: "busybox:latest"}, Alias: "web",
		Command: []string{"sh", "-c", `echo out of the service; echo secret-of-the-job; echo to stderr >&2; echo served >/tmp/index.html; exec httpd -f -p 80 -h /tmp`},
	}), "CI_DEBUG_SERVICES=true")
	shown.Variables = []coordinator.Variable{{Key: "TOKEN", Value: "secret-of-the-job", Masked: true}}
	const line = "\x1b[0;37m[service:busybox->web] "
	w.play([]scenario{
		{"CI_DEBUG_SERVICES", shown, lacks(succeeds(line+"out of the service\x1b[0;m\n", line+"[MASKED]\x1b[0;m\n", line+"to stderr\x1b[0;m\n", "\nserved\n"), "secret-of-the-job")},
		{"CI_DEBUG_SERVICES with timestamps", with(shown, "FF_TIMESTAMPS=true"), succeeds("Z 0fO "+line+"out of the service\x1b[0;m\n", "Z 0fE "+line+"to stderr\x1b[0;m\n")},
		{"ends while the job runs", beside(job("sleep 5", "exit 4"), ciyaml.Service{
			Image: ciyaml.Image{Name: "busybox:latest"}, Alias: "db", Command: []string{"sh", "-c", "sleep 2; echo the disk is full; exit 3"},
		}), fails("script_failure", 4, "WARNING: service busybox:latest had ended with exit code 3 by then. The last lines of its log:", "the disk is full")},
		{"health check", beside(job("echo the job goes on"), service(healthy)), lacks(succeeds("Waiting for service "+healthy+" to be healthy", "service "+healthy+" healthy ", "the job goes on\n"), "WARNING", "out of the service")},
		{"health check that fails", beside(job("echo the job goes on"), service(sick)),
			succeeds("probably didn't start properly", "the engine says that it is unhealthy", "ended with exit code 1", "the disk is full", "out of the service", "the job goes on\n")},
	})
}
