// Package plan turns a job and the runner's configuration into an executor.Plan. It is pure: the same input gives the same
// plan, nothing is read or written, and its golden files are the specification of what a job means.
//
// Data moves from the payload (jobapi), through the job's variables, into the pieces of the plan, one file per piece. It
// decides nothing about engines (executor), sidecars (dind) or git (helper): it only writes down for them what to do.
package plan

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Input is everything that a plan depends on.
type Input struct {
	Job         *jobapi.Job
	Runner      *config.Runner
	SystemID    string
	RunnerHost  string // host name of the runner, for the log
	Slot        int    // CI_CONCURRENT_ID: lowest free number among the runner's jobs
	ProjectSlot int    // CI_CONCURRENT_PROJECT_ID: the same among the project's jobs
	Started     time.Time
	Random      string // 16 hex digits that make this job's names unique
	Network     string // name of the job's network, which other jobs may have before or after it; empty: gitlab-runner's for this job
	OwnImage    string // id of the runner's own image
	Facts       executor.Facts
	Version     string
	Revision    string
	DockerAuth  []byte // the runner user's docker config.json; nil when there is none
	JobAuth     []byte // DOCKER_AUTH_CONFIG with the logins of the credential helpers that it names; nil: as it stands
	ServerCA    []byte // PEM, see [ServerCA]
	ClientCert  []byte // PEM of tls-cert-file
	ClientKey   []byte // PEM of tls-key-file

	// Images are those that Compile has asked for by an UnknownImageError, by their references.
	Images map[string]executor.ImageConfig

	// Cache signs requests to the distributed cache; nil when the configuration has none.
	Cache *CacheSigner

	// Certificates makes the certificates of a sidecar for the host names and addresses; dind.CertificateFiles, but for
	// tests, which want the same plan every time.
	Certificates func(names []string) (server, client []dind.File, err error)
}

// Compiled is a job ready to run.
type Compiled struct {
	Plan     *executor.Plan
	Masks    []string // values that the log must not show
	Warnings []string // for the head of the job log
	Services bool     // CI_DEBUG_SERVICES is on: the log shows those of the services

	Interpolated int `json:"-"` // in how many texts of the job inputs were put

	Spare *executor.Plan // of a sidecar for the next job of the same place that is like this one; nil where none is kept
}

// ConfigError says that the job or the runner's configuration asks for something that cannot be: trying again is useless.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// UnknownImageError asks for a look at an image, on which the plan depends: Compile is to be called again with it.
type UnknownImageError struct{ Image executor.Image }

func (e *UnknownImageError) Error() string { return "nothing is known of image " + e.Image.Ref }

func refuse(format string, args ...any) error { return &ConfigError{fmt.Errorf(format, args...)} }

// defaultTimeout is GitLab's for a job that names none (job-api contract 3.1). longestTimeout is far above the month that
// GitLab allows, and far below what overflows a duration.
const (
	defaultTimeout = 2 * time.Hour
	longestTimeout = 365 * 24 * time.Hour
)

// Timeout is the job's own limit, counted from the moment it starts in the runner.
func Timeout(job *jobapi.Job) time.Duration {
	if job.RunnerInfo.Timeout > 0 {
		return time.Duration(min(job.RunnerInfo.Timeout, int(longestTimeout/time.Second))) * time.Second
	}
	return defaultTimeout
}

// compiler holds what the pieces share while one plan is written.
type compiler struct {
	Input
	flags        Flags
	vars         *variables
	sensitive    []string // values of inputs that the log must not show
	interpolated int      // texts in which inputs were put
	names        names
	dirs         dirs
	strategy     string
	warnings     []string
}

// Compile writes the plan of a job. A fault of its own costs the one job on which it shows: a panic would end the runner, and
// again at each start, since the job would be compiled anew.
func Compile(in Input) (compiled *Compiled, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			compiled, err = nil, fmt.Errorf("write the plan of the job: %v; this is a fault of the runner\n%s", fault, debug.Stack())
		}
	}()
	return compile(in)
}

func compile(in Input) (*Compiled, error) {
	if err := supported(in.Job); err != nil {
		return nil, err
	}
	c := &compiler{Input: in}
	c.flags, c.warnings = ResolveFlags(in.Job, in.Runner)
	if err := c.fillInputs(); err != nil {
		return nil, err
	}
	c.names = newNames(c.Input)
	c.vars = newVariables(c.Input, c.names)
	c.warnOfDebugging()
	c.strategy = gitStrategy(c)
	if err := chooseDirs(c); err != nil {
		return nil, err
	}
	c.vars.addDirs(c.dirs)

	image, err := buildImage(c)
	if err != nil {
		return nil, err
	}
	sidecars, err := decideDind(c, image.Ref)
	if err != nil {
		return nil, err
	}
	c.vars.override(sidecars.setup.BuildEnv)

	p := &executor.Plan{Name: c.names.unique, Labels: makeLabels(c), OwnImage: in.OwnImage, Probe: []string{Binary, "helper", "probe"}}
	vols, err := makeVolumes(c, sidecars)
	if err != nil {
		return nil, err
	}
	p.Volumes = vols.create
	if p.Services, err = makeServices(c, sidecars, vols); err != nil {
		return nil, err
	}
	if p.Build, err = makeBuild(c, image, sidecars, vols); err != nil {
		return nil, err
	}
	p.Network = makeNetwork(c, p)
	if err := makeTasks(c, p, vols); err != nil {
		return nil, err
	}
	makeSteps(c, p)
	if err := keepHostUsers(c, p); err != nil {
		return nil, err
	}
	p.PrepareTimeout = limitOf(c, "prepare_timeout", c.Runner.PrepareTimeout)
	p.KeepAnonymous = keepsAnonymous(c)
	p.Notes = sidecars.notes()
	spare, err := makeSpare(c, p, sidecars)
	return &Compiled{
		Plan: p, Spare: spare, Masks: c.masks(), Warnings: c.warnings, Services: c.debugs("CI_DEBUG_SERVICES"),
		Interpolated: c.interpolated,
	}, err
}

// Binary is the runner's path in its own image.
const Binary = "/usr/bin/lced-runner"

// TerminalBegin is what a web terminal's shell runs first: users want to be where their script is.
const TerminalBegin = `cd "$CI_PROJECT_DIR" 2>/dev/null`

// supported refuses what would otherwise be left out in silence.
func supported(job *jobapi.Job) error {
	switch {
	case job.Run != "":
		return refuse("the keyword run: (GitLab steps) is not supported by this runner; use script:")
	case job.HasSecrets():
		return refuse("the job has secrets:, which this runner cannot resolve; use CI/CD variables")
	}
	if len(job.Steps) == 0 {
		return refuse("the job has no script")
	}
	errs := []error{job.Image.ExecutorOpts.Unsupported("image")}
	for _, s := range job.Services {
		errs = append(errs, s.ExecutorOpts.Unsupported("service"))
	}
	return errors.Join(errs...)
}

// warn adds a line for the head of the job log, once: what several images share is looked at several times.
func (c *compiler) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.warnings, text) {
		c.warnings = append(c.warnings, text)
	}
}
