package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"lced-runner/dind"
	"lced-runner/internal/coordinator"
)

// The labels of the floor's containers and networks: the run of this program that made them, and the case.
const (
	runLabel  = "lced.bench"
	caseLabel = "lced.bench.case"
)

// floor does jobs with the fewest engine calls: no log to ship, no masking, no cancel, nothing to survive a crash.
type floor struct {
	docker *client.Client
	id     string // of this run; also the name of the checkout's volume, which is kept from job to job as the runner's is
	dir    string
	boot   time.Time
	remote *remote
}

func newFloor(docker *client.Client, id, dir, address string, repository coordinator.Repository) (*floor, error) {
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	r, err := serveGit(address, repository)
	if err != nil {
		return nil, err
	}
	return &floor{docker: docker, id: id, dir: dir, boot: boot, remote: r}, nil
}

func (f *floor) labels(name string) map[string]string {
	return map[string]string{runLabel: f.id, caseLabel: name}
}

// close removes the checkout, and what a failed job has left.
func (f *floor) close(ctx context.Context) error {
	ours := client.Filters{}.Add("label", runLabel+"="+f.id)
	containers, err := f.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	for _, c := range containers.Items {
		err = errors.Join(err, f.remove(ctx, c.ID))
	}
	networks, listing := f.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	err = errors.Join(err, listing)
	for _, n := range networks.Items {
		_, removing := f.docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		err = errors.Join(err, removing)
	}
	_, removing := f.docker.VolumeRemove(ctx, f.id, client.VolumeRemoveOptions{Force: true})
	return errors.Join(err, removing, f.remote.close())
}

// measure runs the jobs of a case, each removed before it returns.
func (f *floor) measure(ctx context.Context, b benchmark) (sample, error) {
	runs := make([]run, max(1, b.at))
	var group errgroup.Group
	for i := range runs {
		group.Go(func() (err error) {
			runs[i], err = b.floor(f, ctx, b.name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	return newSample(runs), nil
}

// plain is create, attach, start, write, wait, remove.
func (f *floor) plain(ctx context.Context, name string) (run, error) {
	begun := time.Now()
	s, err := f.shell(ctx, name, "busybox:latest", &container.HostConfig{}, nil)
	if err != nil {
		return run{}, err
	}
	return f.finish(ctx, begun, s, stamp)
}

// git is plain, and a container that fetches while the other one starts.
func (f *floor) git(ctx context.Context, name string) (run, error) {
	begun := time.Now()
	host := func() *container.HostConfig { return &container.HostConfig{Binds: []string{f.id + ":/builds"}} }
	fetched := make(chan error, 1)
	go func() {
		fetched <- f.command(ctx, name, "lced-runner:dev", host(), fmt.Sprintf(
			"cd /builds && { [ -d .git ] || git init -q; } && git fetch -q --depth 20 %s %s && git checkout -qf FETCH_HEAD", f.remote.url, f.remote.sha))
	}()
	s, err := f.shell(ctx, name, "busybox:latest", host(), nil)
	if err := errors.Join(err, <-fetched); err != nil {
		return run{}, err
	}
	return f.finish(ctx, begun, s, "test -f /builds/README && "+stamp)
}

// dind is a network, a sidecar with certificates and a container that asks it until it answers.
func (f *floor) dind(ctx context.Context, name string) (_ run, err error) {
	begun := time.Now()
	certificates, err := f.certificates()
	if err != nil {
		return run{}, err
	}
	net, err := f.docker.NetworkCreate(ctx, fmt.Sprintf("%s-%d", f.id, begun.UnixNano()), client.NetworkCreateOptions{Labels: f.labels(name)})
	if err != nil {
		return run{}, err
	}
	defer func() {
		_, removing := f.docker.NetworkRemove(ctx, net.ID, client.NetworkRemoveOptions{})
		err = errors.Join(err, removing)
	}()
	sidecar := make(chan error, 1)
	var id string
	go func() {
		var err error
		id, err = f.start(ctx, client.ContainerCreateOptions{
			Config:           &container.Config{Image: "docker:dind", Env: []string{"DOCKER_TLS_CERTDIR=/certs"}, Labels: f.labels(name)},
			HostConfig:       &container.HostConfig{Privileged: true, NetworkMode: container.NetworkMode(net.ID), Binds: []string{certificates + "/server:/certs"}},
			NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{net.ID: {Aliases: []string{"docker"}}}},
		})
		sidecar <- err
	}()
	s, err := f.shell(ctx, name, "docker:latest",
		&container.HostConfig{NetworkMode: container.NetworkMode(net.ID), Binds: []string{certificates + "/client:/certs/client:ro"}},
		[]string{"DOCKER_HOST=tcp://docker:2376", "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=/certs/client"})
	err = errors.Join(err, <-sidecar)
	defer func() { err = errors.Join(err, f.remove(ctx, id)) }()
	if err != nil {
		return run{}, err
	}
	return f.finish(ctx, begun, s, "until docker info >/dev/null 2>&1; do sleep 0.05; done; "+stamp)
}

// certificates writes those of a sidecar named docker, where the engine can mount them.
func (f *floor) certificates() (string, error) {
	server, user, err := dind.CertificateFiles([]string{"docker"})
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(f.dir, "certs")
	for side, files := range map[string][]dind.File{"server": server, "client": user} {
		for _, file := range files {
			path := filepath.Join(dir, side, file.Path)
			err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, file.Data, os.FileMode(file.Mode)))
		}
	}
	return dir, err
}

// start creates and starts a container.
func (f *floor) start(ctx context.Context, o client.ContainerCreateOptions) (id string, err error) {
	created, err := f.docker.ContainerCreate(ctx, o)
	if err != nil {
		return "", err
	}
	_, err = f.docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	return created.ID, err
}

func (f *floor) remove(ctx context.Context, id string) error {
	_, err := f.docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	return err
}

// exited waits for a container's end and wants 0.
func (f *floor) exited(ctx context.Context, id string) error {
	res := f.docker.ContainerWait(ctx, id, client.ContainerWaitOptions{})
	select {
	case end := <-res.Result:
		if end.StatusCode != 0 {
			return fmt.Errorf("exit code %d", end.StatusCode)
		}
		return nil
	case err := <-res.Error:
		return err
	}
}

// command runs one command in a container, and removes that.
func (f *floor) command(ctx context.Context, name, image string, host *container.HostConfig, line string) error {
	id, err := f.start(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Entrypoint: []string{"sh", "-c", line}, Labels: f.labels(name)},
		HostConfig: host,
	})
	if err != nil {
		return err
	}
	return errors.Join(f.exited(ctx, id), f.remove(ctx, id))
}

// shell is a started container whose shell waits for its script.
type shell struct {
	id   string
	conn client.ContainerAttachResult
}

func (f *floor) shell(ctx context.Context, name, image string, host *container.HostConfig, env []string) (*shell, error) {
	created, err := f.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: image, Entrypoint: []string{"sh"}, Env: env, Labels: f.labels(name),
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		},
		HostConfig: host,
	})
	if err != nil {
		return nil, err
	}
	conn, err := f.docker.ContainerAttach(ctx, created.ID, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, err
	}
	_, err = f.docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	return &shell{created.ID, conn}, err
}

// finish gives the shell its script, waits for the end and removes the container.
func (f *floor) finish(ctx context.Context, begun time.Time, s *shell, script string) (run, error) {
	defer s.conn.Close()
	var out bytes.Buffer
	_, err := strings.NewReader(script + "\n").WriteTo(s.conn.Conn)
	if err == nil {
		err = s.conn.CloseWrite()
	}
	if err == nil {
		_, err = stdcopy.StdCopy(&out, &out, s.conn.Reader)
	}
	if err == nil {
		err = f.exited(ctx, s.id)
	}
	ended := time.Now()
	if err := errors.Join(err, f.remove(ctx, s.id)); err != nil {
		return run{}, fmt.Errorf("%w\n%s", err, out.String())
	}
	first, err := stamped(f.boot, out.String())
	return run{begun, first, ended}, err
}
