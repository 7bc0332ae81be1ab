package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// The subjects: lced-runner with its defaults, with certificates left to the image, with sidecars that are there before the job;
// and the peer.
const (
	ours  = "lced-runner"
	stock = "lced-runner, the image's certificates"
	warm  = "lced-runner, warm sidecars"
	peer  = "gitlab-runner"
)

// subject is a runner process with a GitLab of its own.
type subject struct {
	name    string
	token   string
	gitlab  *gitlab
	process *exec.Cmd
	exited  chan error
	log     *os.File
	boot    time.Time
	ready   time.Duration // from its start to its first request for a job
}

// program says how a subject is started: the binary, and what its config.toml has besides what all have.
type program struct {
	name, binary string
	docker       string // lines of [runners.docker]
	rest         string // lines after it
}

// programs are the subjects of this run: the peer only where PEER names its binary and PEER_HELPER its helper image.
func programs(ourBinary string, env func(string) string) []program {
	const dind = "[runners.dind]\nprivileged = true\n"
	all := []program{
		{name: ours, binary: ourBinary, docker: "volumes = [\"/cache\"]\n", rest: dind},
		{name: stock, binary: ourBinary, docker: "volumes = [\"lced-bench-certs:/certs/client\", \"/cache\"]\n", rest: dind},
		{name: warm, binary: ourBinary, docker: "volumes = [\"/cache\"]\n", rest: dind + "warm = 1\n"},
	}
	if binary := env("PEER"); binary != "" {
		docker := "privileged = true\nvolumes = [\"/certs/client\", \"/cache\"]\n"
		if image := env("PEER_HELPER"); image != "" {
			docker += fmt.Sprintf("helper_image = %q\n", image)
		}
		all = append(all, program{name: peer, binary: binary, docker: docker})
	}
	return all
}

// outputLimit is that of all subjects, in kB: above the loudest case.
const outputLimit = 2_000_000

// configuration is the subject's config.toml.
func (p program) configuration(url string, tokens []string) string {
	text := "concurrent = 20\ncheck_interval = 1\nlog_level = \"warn\"\n"
	for _, token := range tokens {
		text += p.entry(url, token)
	}
	return text
}

// entry is one [[runners]] table.
func (p program) entry(url, token string) string {
	return fmt.Sprintf(`
[[runners]]
name = "bench"
url = %q
token = %q
executor = "docker"
output_limit = %d
[runners.docker]
image = "busybox:latest"
pull_policy = "if-not-present"
%s%s`, url, token, outputLimit, p.docker, p.rest)
}

// start starts a subject with a runner for each token and returns when it has asked for a job.
func (p program) start(ctx context.Context, dir, address string, tokens ...string) (*subject, error) {
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	s := &subject{name: p.name, token: tokens[0], boot: boot, exited: make(chan error, 1)}
	if s.gitlab, err = newGitLab(address, tokens...); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(p.configuration(s.gitlab.url, tokens)), 0o600); err != nil {
		return nil, err
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	s.process = exec.Command(p.binary, "run", "--config", filepath.Join(dir, "config.toml"))
	s.process.Stdout, s.process.Stderr, s.process.Dir = s.log, s.log, dir
	begun := time.Now()
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() { s.exited <- s.process.Wait() }()
	polled, err := s.gitlab.awaitPoll(ctx)
	s.ready = polled.Sub(begun)
	return s, err
}

// stop drains the process.
func (s *subject) stop() error {
	_ = s.process.Process.Signal(syscall.SIGQUIT)
	err := <-s.exited
	closing := s.gitlab.close()
	s.log.Close()
	if err != nil {
		text, _ := os.ReadFile(s.log.Name())
		return fmt.Errorf("%s: %w\n%s", s.name, err, text)
	}
	return closing
}

// short is the part of the token by which both runners name and label what they make.
func (s *subject) short() string { return strings.TrimPrefix(s.token, "glrt-")[:9] }

// measure runs a case once.
func (s *subject) measure(ctx context.Context, b benchmark, repository coordinator.Repository) (sample, error) {
	pipeline, err := ciyaml.Parse([]byte(b.text()), b.name)
	if err != nil {
		return sample{}, err
	}
	before, err := usageOf(s.process.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	var total sample
	for range max(1, b.times) {
		one, err := s.pipelines(ctx, pipeline, max(1, b.at), repository)
		if err != nil {
			return sample{}, err
		}
		total.first, total.end = one.first, total.end+one.end
	}
	after, err := usageOf(s.process.Process.Pid)
	total.cpu, total.memory = after.cpu-before.cpu, after.peak
	return total, err
}

// pipelines runs some at once. The times of a pipeline of several jobs are those of its jobs, added.
func (s *subject) pipelines(ctx context.Context, p *ciyaml.Pipeline, n int, repository coordinator.Repository) (sample, error) {
	ids := make([]int64, n)
	for i := range ids {
		id, err := s.gitlab.Submit(ctx, coordinator.Submission{Pipeline: p, Repository: repository})
		if err != nil {
			return sample{}, err
		}
		ids[i] = id
	}
	jobs := make([][]run, len(p.Jobs))
	for _, id := range ids {
		if _, err := s.gitlab.Wait(ctx, id); err != nil {
			return sample{}, err
		}
		for i, j := range s.gitlab.Jobs(id) {
			log := string(s.gitlab.Trace(j.ID))
			if j.State != coordinator.StateSuccess {
				return sample{}, fmt.Errorf("job %s ended as %s:\n%s", j.Name, j.State, log[max(0, len(log)-4000):])
			}
			first, err := stamped(s.boot, log)
			if err != nil {
				return sample{}, err
			}
			jobs[i] = append(jobs[i], run{j.HandedOut, first, j.Finished})
		}
	}
	var total sample
	for _, runs := range jobs {
		one := newSample(runs)
		total.first, total.end = total.first+one.first, total.end+one.end
	}
	return total, nil
}
