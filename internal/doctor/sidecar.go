package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
	"lced-runner/internal/runner"
	"lced-runner/jobapi"
)

// jobTime bounds the job: flash that is slow may take a minute for a daemon's first start.
const jobTime = 10 * time.Minute

// mark stands in the job's log before what the daemon says of itself.
const mark = "daemon-says:"

// sidecar runs a job with a docker daemon of its own, in the way of production but for GitLab, which is one of our own.
func (d *doctor) sidecar(ctx context.Context, x executor.Examiner, r *config.Runner) {
	const check = "docker-in-docker"
	images, err := x.Images(ctx)
	if err != nil {
		d.fail(check, "", "%v", err)
		return
	}
	image := dindImage(images, r.Dind.Image)
	switch {
	case !wantsPrivileged(r) || r.Dind.Mode == "off":
		return // the finding about privileged containers says it
	case image == "":
		d.warn(check, "docker pull docker:dind, and ask again", "not tried: the engine has no image of the docker daemon")
		return
	}
	begun := time.Now()
	job, log, err := d.job(ctx, r, image)
	took := time.Since(begun).Round(100 * time.Millisecond)
	switch {
	case err != nil:
		d.fail(check, "", "a job with the image %s could not be run: %v", image, err)
	case job.State != coordinator.StateSuccess:
		d.fail(check, "the last lines of its log say why; `lced-runner exec` runs such a job by hand", "a job with the image %s failed: %s", image, lastLines(log, 8))
	default:
		parts := strings.Split(log, mark) // which is in the script first
		says, _, _ := strings.Cut(parts[len(parts)-1], "\n")
		d.ok(check, "a job with the image %s had a daemon of its own, which answered: %s (%s in all)", image, strings.TrimSpace(says), took)
	}
}

// dindImage picks an image that holds daemon and client.
func dindImage(images []string, configured string) string {
	if configured != "" && slices.Contains(images, configured) {
		return configured
	}
	for _, preferred := range []string{"docker:dind", "docker:latest"} {
		if slices.Contains(images, preferred) {
			return preferred
		}
	}
	for _, image := range images {
		if dind.IsDind(image) && dind.HasDockerCLI(image) {
			return image
		}
	}
	return ""
}

// job runs one job on the runner's engine, with its configuration but for what keeps jobs of users in bounds.
func (d *doctor) job(ctx context.Context, like *config.Runner, image string) (coordinator.Job, string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTime, fmt.Errorf("it took more than %s", jobTime))
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return coordinator.Job{}, "", fmt.Errorf("listen on this machine: %w", err)
	}
	url := "http://" + listener.Addr().String()
	gitlab, err := coordinator.New(coordinator.Options{URL: url, LongPoll: 10 * time.Second, TraceInterval: time.Second})
	if err != nil {
		return coordinator.Job{}, "", err
	}
	served := make(chan error, 1)
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() { served <- gitlab.Serve(serving, listener) }()
	defer func() { stop(errors.New("the doctor is done")); <-served }()

	c := config.Default()
	r := *like
	token := "glrt-" + rand.Text()
	gitlab.AddRunner(coordinator.Runner{Token: token, AnyTags: true})
	r.Name, r.URL, r.CloneURL, r.Token, r.Limit, r.Disabled = "doctor", url, "", jobapi.Secret(token), 0, ""
	r.TLSCAFile, r.TLSCertFile, r.TLSKeyFile, r.TokenExpiresAt = "", "", "", time.Time{}
	r.Docker.AllowedImages, r.Docker.AllowedServices, r.Docker.AllowedPullPolicies = nil, nil, nil
	r.Docker.PullPolicy, r.Docker.Services, r.Docker.DisableCache = []string{"if-not-present"}, nil, true
	c.Concurrent, c.CheckInterval, c.Runners = 1, time.Second, []config.Runner{r}

	id, err := gitlab.Enqueue(ctx, coordinator.JobSpec{Job: ciyaml.Job{
		Name: "doctor", Image: &ciyaml.Image{Name: image},
		Variables: []ciyaml.Variable{{Name: "LCED_DIND", Value: "true"}, {Name: "GIT_STRATEGY", Value: "none"}},
		Script:    []string{"docker info --format '" + mark + " Docker {{.ServerVersion}}, storage {{.Driver}}, cgroups {{.CgroupVersion}}'"},
	}})
	if err != nil {
		return coordinator.Job{}, "", err
	}
	return d.obey(ctx, gitlab, id, c)
}

// obey runs a runner until the job has ended.
func (d *doctor) obey(ctx context.Context, gitlab *coordinator.Server, id int64, c *config.Config) (coordinator.Job, string, error) {
	dir, removeDir, err := d.TempDir()
	if err != nil {
		return coordinator.Job{}, "", err
	}
	defer removeDir()
	o := d.Options.Options
	o.Config, o.ConfigFile, o.SystemID, o.StateDir = c, "", d.NewOwner(), dir
	poll, drain := context.WithCancelCause(ctx)
	defer drain(nil)
	rn, err := runner.New(poll, o)
	if err != nil {
		return coordinator.Job{}, "", err
	}
	awaited := make(chan error, 1)
	go func() {
		_, err := gitlab.Await(ctx, id, func(j coordinator.Job, _ []byte) bool { return j.Ended() })
		drain(errors.New("the doctor's job has ended"))
		awaited <- err
	}()
	runErr := rn.Run(poll, ctx, ctx, nil)
	drain(nil)
	err = <-awaited
	if runErr != nil && poll.Err() == nil {
		err = runErr
	}
	o.Config = c
	if e, connectErr := o.Connect(context.WithoutCancel(ctx), c.Runners[0].Docker.Engine(o.Env), executor.Connection{}); connectErr == nil {
		_ = e.Sweep(context.WithoutCancel(ctx), true, executor.Leave{})
		e.Close()
	}
	j, _ := gitlab.Job(id)
	return j, string(gitlab.Trace(id)), err
}

// lastLines are the last lines of a job's log that have a text, without colours and marks of sections.
func lastLines(log string, n int) string {
	log = regexp.MustCompile(`\x1b\[[0-9;]*[a-zA-Z]|section_(start|end):[^\r]*\r`).ReplaceAllString(log, "")
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(log, "\r", "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
