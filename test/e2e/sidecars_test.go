package e2e

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// sidecar is a service container as the engine saw it; it is gone when its job has ended.
type sidecar struct {
	id, name   string
	job        int64
	privileged bool
	networks   []string
	volumes    []string
	log        *syncBuffer
}

// host is the name that a docker daemon in the container has for itself.
func (s sidecar) host() string { return s.id[:12] }

// watchServices collects the services that the runner starts from now on, with their logs. The function that it returns
// ends that and gives them in the order of their starts; their jobs must have ended.
func (w *world) watchServices() (seen func() []sidecar) {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	ctx, stop := context.WithCancelCause(context.Background())
	res := w.docker.Events(ctx, client.EventsListOptions{Filters: client.Filters{}.
		Add("type", "container").Add("event", "start").
		Add("label", "lced.runner="+id).Add("label", "com.gitlab.gitlab-runner.type=service")})
	var all []sidecar
	var logs sync.WaitGroup
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-res.Messages:
				s := w.look(ctx, m.Actor.ID)
				s.job, _ = strconv.ParseInt(m.Actor.Attributes["com.gitlab.gitlab-runner.job.id"], 10, 64)
				all = append(all, s)
				logs.Go(func() { w.follow(s) })
			case <-res.Err:
				return
			}
		}
	}()
	seen = sync.OnceValue(func() []sidecar {
		stop(errors.New("the jobs have ended"))
		<-done
		logs.Wait()
		return all
	})
	w.t.Cleanup(func() {
		w.drain()
		for _, s := range seen() {
			w.assertVolumesGone(s)
		}
	})
	return seen
}

// assertVolumesGone fails the test if a volume of a service is left, but for those that the next job wants. The anonymous
// ones, where a daemon has its images, carry no label by which they would be found otherwise.
func (w *world) assertVolumesGone(s sidecar) {
	w.t.Helper()
	for _, name := range s.volumes {
		res, err := w.docker.VolumeInspect(cleanupContext(), name, client.VolumeInspectOptions{})
		switch {
		case err == nil && res.Volume.Labels["com.gitlab.gitlab-runner.reusable"] != "true":
			w.t.Errorf("left on the engine: volume %s of service %s", name, s.name)
		case err != nil && !errdefs.IsNotFound(err):
			w.t.Error(err)
		}
	}
}

// look inspects a service that has just started.
func (w *world) look(ctx context.Context, id string) sidecar {
	s := sidecar{id: id, log: &syncBuffer{}}
	res, err := w.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		w.t.Errorf("inspect the service that has started: %v", err)
		return s
	}
	s.name, s.privileged = strings.TrimPrefix(res.Container.Name, "/"), res.Container.HostConfig.Privileged
	for name := range res.Container.NetworkSettings.Networks {
		s.networks = append(s.networks, name)
	}
	for _, m := range res.Container.Mounts {
		if m.Name != "" {
			s.volumes = append(s.volumes, m.Name)
		}
	}
	return s
}

// follow copies a container's log until its end.
func (w *world) follow(s sidecar) {
	logs, err := w.docker.ContainerLogs(context.Background(), s.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		w.t.Errorf("read the log of service %s: %v", s.name, err)
		return
	}
	defer logs.Close()
	_, _ = stdcopy.StdCopy(s.log, s.log, logs)
}

// sidecarOf gives the one service of a job.
func sidecarOf(t *testing.T, all []sidecar, job int64) sidecar {
	t.Helper()
	all = slices.DeleteFunc(slices.Clone(all), func(s sidecar) bool { return s.job != job })
	if len(all) != 1 {
		t.Fatalf("job %d had %d services, want one", job, len(all))
	}
	return all[0]
}

// dockerJob is a job in an image, with these variables (NAME=VALUE).
func dockerJob(image string, variables []string, script ...string) coordinator.JobSpec {
	spec := job(script...)
	spec.Job.Image = &ciyaml.Image{Name: image}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		spec.Job.Variables = append(spec.Job.Variables, ciyaml.Variable{Name: name, Value: value})
	}
	return spec
}

// withService adds a service to a job.
func withService(spec coordinator.JobSpec, image string, command ...string) coordinator.JobSpec {
	spec.Job.Services = append(spec.Job.Services, ciyaml.Service{Image: ciyaml.Image{Name: image}, Command: command})
	return spec
}

// whichDaemon prints the name of the daemon that the job talks to; said reads it.
const whichDaemon = `echo "daemon=$(docker info --format '{{.Name}}')"`

// said gives the rest of the log's first line that begins with text.
func said(t *testing.T, log, text string) string {
	t.Helper()
	for line := range strings.Lines(log) {
		if rest, ok := strings.CutPrefix(line, text); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Errorf("the log has no line that begins with %q:\n%s", text, log)
	return ""
}

// wantSuccess fails the test unless the job ended well and its log has each of the texts.
func wantSuccess(t *testing.T, j coordinator.Job, log string, texts ...string) {
	t.Helper()
	if j.State != coordinator.StateSuccess {
		t.Fatalf("job %s: state %s (%s)\n%s", j.Name, j.State, j.FailureReason, log)
	}
	wantTexts(t, log, texts...)
}

// wantTexts fails the test unless the log has each of the texts.
func wantTexts(t *testing.T, log string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("the log lacks %q:\n%s", text, log)
		}
	}
}

// hostName is what the machine's engine calls its host.
func (w *world) hostName() string {
	w.t.Helper()
	res, err := w.docker.Info(w.t.Context(), client.InfoOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Info.Name
}

// staticBusybox is a program for images made from nothing.
func staticBusybox(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		required(t, "no busybox on this machine: install busybox-static")
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			required(t, "this machine's busybox needs libraries: install busybox-static")
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// required ends a test for want of something: a failure where LCED_REQUIRE_DOCKER is set, else a skip.
func required(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("LCED_REQUIRE_DOCKER") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
