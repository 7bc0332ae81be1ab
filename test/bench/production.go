package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
	"lced-runner/internal/runner"
	"lced-runner/jobapi"
)

// job is what the production path is given.
type job struct {
	git, dind bool
	script    []string
}

// production is a GitLab and a runner in this process, as `lced-runner exec` has them.
type production struct {
	id     string // system id: the value of the label lced.runner
	docker *client.Client
	server *coordinator.Server
	source source
	boot   time.Time
	stop   func() error // lets the runner drain, then ends GitLab
}

// source is the repository of the jobs with sources.
type source struct {
	repository coordinator.Repository
	gateway    string // the host's address that containers reach
}

func newProduction(ctx context.Context, docker *client.Client, id, dir string) (*production, error) {
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	p := &production{id: id, docker: docker, boot: boot}
	if p.source, err = newSource(ctx, docker, dir); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(p.source.gateway, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen where containers reach this machine: %w", err)
	}
	c := config.Default()
	r := config.DefaultRunner()
	r.Name, r.Docker.PullPolicy, r.Dind.Privileged = "bench", []string{"if-not-present"}, true
	r.URL, r.Token = "http://"+listener.Addr().String(), jobapi.Secret(rand.Text())
	c.Runners, c.Concurrent, c.CheckInterval = []config.Runner{r}, 10, time.Second
	if p.server, err = coordinator.New(coordinator.Options{URL: r.URL, LongPoll: 20 * time.Second}); err != nil {
		return nil, err
	}
	p.server.AddRunner(coordinator.Runner{Token: r.Token.Reveal(), AnyTags: true})
	serving, endServing := context.WithCancelCause(ctx)
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(serving, listener) }()
	engine, err := runner.New(ctx, runner.Options{
		Config: c, SystemID: p.id, StateDir: dir, Version: "dev", Host: "bench", Env: os.Getenv,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		endServing(err)
		return nil, errors.Join(err, <-served)
	}
	polling, drain := context.WithCancelCause(ctx)
	ran := make(chan error, 1)
	go func() { ran <- engine.Run(polling, ctx, nil) }()
	p.stop = func() error {
		over := errors.New("the benchmark has ended")
		drain(over)
		err := <-ran
		endServing(over)
		return errors.Join(err, <-served, p.removeVolumes(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// newSource makes a repository of one file.
func newSource(ctx context.Context, docker *client.Client, dir string) (s source, err error) {
	if s.gateway, err = gateway(ctx, docker); err != nil {
		return s, err
	}
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return s, err
	}
	if err := os.WriteFile(filepath.Join(tree, "README"), []byte("a file of the repository\n"), 0o644); err != nil {
		return s, err
	}
	if err := gitInit(ctx, tree); err != nil {
		return s, err
	}
	s.repository, err = coordinator.Snapshot(ctx, tree, filepath.Join(dir, "bare"))
	return s, err
}

// gateway is the host's address on the engine's default bridge.
func gateway(ctx context.Context, docker *client.Client) (string, error) {
	res, err := docker.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("look for the engine's default bridge: %w", err)
	}
	for _, c := range res.Network.IPAM.Config {
		if c.Gateway != (netip.Addr{}) && c.Gateway.Is4() {
			return c.Gateway.String(), nil
		}
	}
	return "", errors.New("the engine's default bridge has no address")
}

func (p *production) spec(j job) coordinator.JobSpec {
	spec := coordinator.JobSpec{Job: ciyaml.Job{Image: &ciyaml.Image{Name: "busybox:latest"}, Script: j.script}, Repository: p.source.repository}
	if j.dind {
		spec.Job.Image.Name = "docker:latest"
		spec.Job.Services = []ciyaml.Service{{Image: ciyaml.Image{Name: "docker:dind"}}}
	}
	if !j.git {
		spec.Job.Variables = []ciyaml.Variable{{Name: "GIT_STRATEGY", Value: "none"}}
	}
	return spec
}

// measure runs the jobs of a case and waits until their containers are gone. It returns the jobs' ids too.
func (p *production) measure(ctx context.Context, b benchmark) (s sample, ids []string, err error) {
	jobs := make([]int64, b.jobs)
	for i := range jobs {
		if jobs[i], err = p.server.Enqueue(ctx, p.spec(b.production)); err != nil {
			return s, nil, err
		}
	}
	var runs []run
	for _, id := range jobs {
		j, err := p.server.Await(ctx, id, func(j coordinator.Job, _ []byte) bool { return j.Ended() })
		if err != nil {
			return s, nil, err
		}
		log := string(p.server.Trace(id))
		if j.State != coordinator.StateSuccess {
			return s, nil, fmt.Errorf("the job ended as %s:\n%s", j.State, log)
		}
		first, err := stamped(p.boot, log)
		if err != nil {
			return s, nil, err
		}
		runs, ids = append(runs, run{j.HandedOut, first, j.Finished}), append(ids, strconv.FormatInt(id, 10))
	}
	return newSample(runs), ids, p.settle(ctx)
}

// settle waits until the jobs' containers are removed, so that this does not burden the next measurement.
func (p *production) settle(ctx context.Context) error {
	ours := client.Filters{}.Add("label", "lced.runner="+p.id).Add("label", "com.gitlab.gitlab-runner.job.id")
	for {
		res, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
		if err != nil || len(res.Items) == 0 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeVolumes removes what the runner keeps for the next job of the project.
func (p *production) removeVolumes(ctx context.Context) error {
	res, err := p.docker.VolumeList(ctx, client.VolumeListOptions{Filters: client.Filters{}.Add("label", "lced.runner="+p.id)})
	for _, v := range res.Items {
		_, removing := p.docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		err = errors.Join(err, removing)
	}
	return err
}
