// Package runner is the spine: it holds slots, polls GitLab for jobs and leads each through its life (job.go), from the
// payload to the final update. What a job means is decided by package plan, what becomes of it on the engine by package
// executor; how its ending is told to GitLab is decided here (outcome.go), and nowhere else.
//
// Data moves from jobapi.Request to jobapi.UpdateJob; the only wire back is the cancel that GitLab's replies carry. There are
// four lifetimes: poll (asking for jobs), jobs (all of them), job (one, with its timeout), and cleanup, which outlives the
// job but is bounded.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/cache"
	"lced-runner/internal/config"
	"lced-runner/internal/journal"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// Options are what a Runner is made of. Nothing in it is read from the environment.
type Options struct {
	Config     *config.Config
	SystemID   string
	StateDir   string // holds the journal and the spools of job logs; exists, and is this process's alone
	Version    string
	Revision   string
	Host       string                  // host name, for job logs
	MountInfo  string                  // text of /proc/self/mountinfo
	DockerAuth []byte                  // text of the runner user's ~/.docker/config.json; nil when there is none
	Env        func(key string) string // for the docker client's own variables
	Logger     *slog.Logger
	Live       func(job *jobapi.Job) io.Writer // takes a copy of each job's log; nil for none
}

// Runner takes jobs from one or more GitLabs and runs them.
type Runner struct {
	Options
	slots   *slots
	journal *journal.Journal
	entries []*entry
}

// entry is one [[runners]] table at work.
type entry struct {
	config *config.Runner
	api    *jobapi.Client
	engine *executor.Engine
	log    *slog.Logger
	ca     []byte // PEM files of the GitLab connection, which git uses too
	cert   []byte
	key    []byte
	cache  *cache.Store // distributed; nil when there is none
}

// ErrNoRunner says that no runner of the configuration can take jobs.
var ErrNoRunner = errors.New("no runner can take jobs")

// New connects to the engines and introduces each runner to its GitLab. The error is one sentence that says what to do.
// A GitLab that cannot be reached is no error: it is asked again and again.
func New(ctx context.Context, o Options) (*Runner, error) {
	j, err := journal.Open(filepath.Join(o.StateDir, "journal"))
	if err != nil {
		return nil, err
	}
	r := &Runner{Options: o, slots: newSlots(o.Config.Concurrent), journal: j}
	engines := map[config.Engine]*executor.Engine{}
	var refused []error
	for i := range o.Config.Runners {
		c := &o.Config.Runners[i]
		if c.Disabled != "" {
			o.Logger.Error("this runner takes no jobs", "runner", c.Name, "reason", c.Disabled)
			refused = append(refused, fmt.Errorf("runner %s: %s", c.Name, c.Disabled))
			continue
		}
		e, err := r.entry(ctx, c, engines)
		if err != nil {
			return nil, fmt.Errorf("runner %s: %w", c.Name, err)
		}
		if err := e.introduce(ctx); err != nil {
			refused = append(refused, fmt.Errorf("runner %s: %w", c.Name, err))
			continue
		}
		r.entries = append(r.entries, e)
	}
	if len(r.entries) == 0 {
		if refused == nil {
			return nil, fmt.Errorf("%w: the configuration has no [[runners]]; add one with a token from GitLab (CI/CD settings, New runner)", ErrNoRunner)
		}
		return nil, fmt.Errorf("%w: %w", ErrNoRunner, errors.Join(refused...))
	}
	return r, nil
}

// entry prepares one runner.
func (r *Runner) entry(ctx context.Context, c *config.Runner, engines map[config.Engine]*executor.Engine) (*entry, error) {
	e := &entry{config: c, log: r.Logger.With("runner", c.Name)}
	e.cache = e.openCache()
	api, err := jobapi.New(jobapi.Options{
		URL: c.URL, Token: c.Token, SystemID: r.SystemID, Name: c.Name, Info: jobapi.DefaultInfo(r.Version, r.Revision),
		TLSCAFile: c.TLSCAFile, TLSCertFile: c.TLSCertFile, TLSKeyFile: c.TLSKeyFile,
		ConnectionMaxAge: r.Config.ConnectionMaxAge, Logger: r.Logger,
	})
	if err != nil {
		return nil, err
	}
	e.api = api
	for _, f := range []struct {
		path string
		into *[]byte
	}{{c.TLSCAFile, &e.ca}, {c.TLSCertFile, &e.cert}, {c.TLSKeyFile, &e.key}} {
		if f.path == "" {
			continue
		}
		if *f.into, err = os.ReadFile(f.path); err != nil {
			return nil, fmt.Errorf("read the certificates for GitLab: %w", err)
		}
	}
	where := c.Docker.Engine(r.Env)
	if engines[where] == nil {
		if engines[where], err = r.Connect(ctx, where); err != nil {
			return nil, err
		}
	}
	e.engine = engines[where]
	return e, nil
}

// Connect reaches an engine. What is created there belongs to the system id.
func (o *Options) Connect(ctx context.Context, where config.Engine) (*executor.Engine, error) {
	return executor.Connect(ctx, executor.Connection{
		Host: where.Host, TLSVerify: where.TLSVerify, CertPath: where.CertPath, APIVersion: o.Env("DOCKER_API_VERSION"),
		Owner: o.SystemID, UserAgent: "lced-runner/" + o.Version,
	})
}

// introduce tells GitLab of this runner and its features, and finds out whether its token is any good.
func (e *entry) introduce(ctx context.Context) error {
	_, err := e.api.Verify(ctx)
	switch {
	case err == nil:
		e.log.Info("runner is known to GitLab", "url", e.config.URL)
	case errors.Is(err, jobapi.ErrTokenRefused):
		e.log.Error("GitLab refuses this runner", "url", e.config.URL, "error", err)
		return err
	default:
		e.log.Warn("GitLab does not answer; trying again while running", "url", e.config.URL, "error", err)
	}
	return nil
}

// Run takes jobs until poll ends, then waits for the running ones. The end of jobs ends them at once.
func (r *Runner) Run(poll, jobs context.Context) error {
	if err := r.learn(poll); err != nil {
		return err
	}
	var wg sync.WaitGroup
	r.recoverJobs(poll, &wg)
	for _, e := range r.entries {
		for range max(1, e.config.RequestConcurrency) {
			wg.Go(func() {
				r.poll(poll, e, func(job *jobapi.Job, s *slot) { wg.Go(func() { r.runJob(poll, jobs, e, job, s) }) })
			})
		}
	}
	r.Logger.Info("taking jobs", "runners", len(r.entries), "concurrent", r.Config.Concurrent)
	wg.Wait()
	return nil
}

// learn removes what an earlier process with our system id left behind, and learns the engines' facts before the first
// job needs them.
func (r *Runner) learn(ctx context.Context) error {
	for _, e := range r.entries {
		if err := e.engine.Sweep(ctx, false); err != nil {
			r.Logger.Warn("could not remove everything that an earlier runner left on the engine", "error", err)
		}
		begun := time.Now()
		own, facts, err := r.engineFacts(ctx, e)
		if err != nil {
			return fmt.Errorf("runner %s: %w", e.config.Name, err)
		}
		e.log.Info("engine is ready", "engine", facts.Version, "host", facts.Host, "mtu", facts.MTU, "helper_image", own, "took", time.Since(begun).Round(time.Millisecond))
	}
	return nil
}

// engineFacts are the id of the image from which helpers are made, and what a plan must know of the engine.
func (r *Runner) engineFacts(ctx context.Context, e *entry) (ownImage string, facts *executor.Facts, err error) {
	ownImage, err = e.engine.OwnImage(ctx, r.MountInfo, e.config.Docker.HelperImage, executor.ReleaseImage(r.Version))
	if err != nil {
		return "", nil, err
	}
	facts, err = e.engine.Facts(ctx, ownImage, []string{plan.Binary, "helper", "facts"})
	return ownImage, facts, err
}
