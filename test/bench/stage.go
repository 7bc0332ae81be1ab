package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/coordinator"
)

// stage is where the cases are played: the subjects, the floor, and what they share.
type stage struct {
	docker   *client.Client
	subjects []*subject
	floor    *floor
	repos    *repositories
	count    *containers
	highest  map[string]int64 // peak of resident memory over all cases, by subject
}

// newStage starts all subjects. The stage is to be closed even with an error.
func newStage(ctx context.Context, docker *client.Client, o options, dir string) (*stage, error) {
	s := &stage{docker: docker, repos: &repositories{dir: dir, made: map[int]coordinator.Repository{}}, highest: map[string]int64{}}
	address, err := gateway(ctx, docker)
	if err != nil {
		return s, err
	}
	repository, err := s.repos.of(ctx, 1)
	if err != nil {
		return s, err
	}
	if s.floor, err = newFloor(docker, "lced-bench-"+strings.ToLower(rand.Text()), dir, address, repository); err != nil {
		return s, err
	}
	for i, p := range programs(o.binary, os.Getenv) {
		if !wanted(p.name, o.cases()) {
			continue
		}
		home := filepath.Join(dir, fmt.Sprint("subject-", i))
		if err := os.Mkdir(home, 0o700); err != nil {
			return s, err
		}
		subject, err := p.start(ctx, home, address, "glrt-"+rand.Text())
		if subject != nil {
			s.subjects = append(s.subjects, subject)
		}
		if err != nil {
			return s, err
		}
	}
	s.count = countContainers(ctx, docker)
	return s, nil
}

// wanted reports whether a program has any case.
func wanted(name string, cases []benchmark) bool {
	for _, b := range cases {
		if b.of(name) {
			return true
		}
	}
	return false
}

// of reports whether a program takes part in a case.
func (b benchmark) of(name string) bool {
	switch name {
	case ours, peer:
		return b.subject == "" || b.subject == name
	}
	return b.subject == name
}

// result is what was measured of one case: the samples of each side, in the order of rounds.
type result map[string][]sample

const theFloor = "floor"

// measure plays every case on every side, in turns. The first round is not counted, and left out where only one is to follow.
func (s *stage) measure(ctx context.Context, cases []benchmark, rounds int) ([]result, error) {
	results := make([]result, len(cases))
	for round := range rounds + 1 {
		for i, b := range cases {
			if b.rounds > 0 && round > b.rounds || round == 0 && min(rounds, cmp.Or(b.rounds, rounds)) == 1 {
				continue
			}
			if results[i] == nil {
				results[i] = result{}
			}
			fmt.Fprintf(os.Stderr, "bench: round %d of %d: %s\n", round, rounds, b.name)
			if err := s.play(ctx, b, round > 0, results[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", b.name, err)
			}
		}
	}
	return results, nil
}

// play plays a case once on every side.
func (s *stage) play(ctx context.Context, b benchmark, counted bool, into result) error {
	repository, err := s.repos.of(ctx, b.files)
	if err != nil {
		return err
	}
	note := func(side string, one sample, err error) error {
		if err != nil {
			return fmt.Errorf("on %s: %w", side, err)
		}
		if one.created, one.started, err = s.count.take(ctx); err != nil {
			return err
		}
		s.highest[side] = max(s.highest[side], one.memory)
		if counted {
			into[side] = append(into[side], one)
		}
		return nil
	}
	for _, subject := range s.subjects {
		if !b.of(subject.name) {
			continue
		}
		if _, _, err := s.count.take(ctx); err != nil {
			return err
		}
		one, err := subject.measure(ctx, b, repository)
		if err == nil {
			err = s.settle(ctx, subject)
		}
		if err := note(subject.name, one, err); err != nil {
			return err
		}
	}
	if b.floor == nil {
		return nil
	}
	one, err := s.floor.measure(ctx, b)
	return note(theFloor, one, err)
}

// settle waits until the containers of the subject's jobs are removed, and what it keeps for the next one is ready, so that this
// does not burden the next measurement.
func (s *stage) settle(ctx context.Context, subject *subject) error {
	ours := client.Filters{}.Add("label", "com.gitlab.gitlab-runner.runner.id="+subject.short()).Add("label", "com.gitlab.gitlab-runner.job.id")
	for {
		res, err := s.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
		if err != nil {
			return err
		}
		if len(res.Items) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if subject.name != warm {
		return nil
	}
	kept := client.Filters{}.Add("label", "lced.spare.runner="+subject.short())
	for {
		res, err := s.docker.ContainerList(ctx, client.ContainerListOptions{Filters: kept})
		if err != nil {
			return err
		}
		for _, c := range res.Items {
			if strings.HasSuffix(c.Names[0], "-spare") && s.answers(ctx, c.ID) {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// answers reports whether the daemon in a sidecar does.
func (s *stage) answers(ctx context.Context, id string) bool {
	created, err := s.docker.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: []string{"env", "-u", "DOCKER_TLS_VERIFY", "docker", "-H", "unix:///var/run/docker.sock", "version"}, AttachStdout: true,
	})
	if err != nil {
		return false
	}
	conn, err := s.docker.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, conn.Reader)
	conn.Close()
	state, err := s.docker.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	return err == nil && !state.Running && state.ExitCode == 0
}

// idling is what a runner uses while it has nothing to do.
type idling struct {
	cpu      time.Duration
	memory   int64 // bytes resident
	requests int64 // for a job
	bytes    int64 // to and from GitLab
}

// idle watches subjects at once while they have nothing to do.
func idle(ctx context.Context, subjects []*subject, while time.Duration) (map[string]idling, error) {
	fmt.Fprintf(os.Stderr, "bench: %v of idleness\n", while)
	type mark struct {
		usage        usage
		polls, bytes int64
	}
	marks := map[string]mark{}
	for _, subject := range subjects {
		u, err := usageOf(subject.process.Process.Pid)
		if err != nil {
			return nil, err
		}
		marks[subject.name] = mark{u, subject.gitlab.polls.Load(), subject.gitlab.bytes.Load()}
	}
	select {
	case <-time.After(while):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	all := map[string]idling{}
	for _, subject := range subjects {
		before := marks[subject.name]
		u, err := usageOf(subject.process.Process.Pid)
		if err != nil {
			return nil, err
		}
		now, err := resident(subject.process.Process.Pid, "VmRSS:")
		if err != nil {
			return nil, err
		}
		all[subject.name] = idling{u.cpu - before.usage.cpu, now, subject.gitlab.polls.Load() - before.polls, subject.gitlab.bytes.Load() - before.bytes}
	}
	return all, nil
}

// starts is how long each subject took to its first request for a job.
func (s *stage) starts() map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, subject := range s.subjects {
		all[subject.name] = subject.ready
	}
	return all
}

// close stops the subjects and removes what they leave for the next job of a project.
func (s *stage) close(ctx context.Context) (err error) {
	for _, subject := range s.subjects {
		err = errors.Join(err, subject.stop(), s.removeVolumes(ctx, subject))
	}
	if s.count != nil {
		s.count.stop()
	}
	if s.floor != nil {
		err = errors.Join(err, s.floor.close(ctx))
	}
	return err
}

func (s *stage) removeVolumes(ctx context.Context, subject *subject) error {
	theirs := client.Filters{}.Add("label", "com.gitlab.gitlab-runner.runner.id="+subject.short())
	res, err := s.docker.VolumeList(ctx, client.VolumeListOptions{Filters: theirs})
	for _, v := range res.Items {
		_, removing := s.docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
		err = errors.Join(err, removing)
	}
	return err
}
