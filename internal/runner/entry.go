package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"lced-runner/executor"
	"lced-runner/internal/cache"
	"lced-runner/internal/config"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// entry is one [[runners]] table as one reading of the configuration has it. It never changes: a job keeps the entry with
// which it began, and a new reading makes a new one.
type entry struct {
	config   *config.Runner
	global   *config.Config
	api      *jobapi.Client
	engine   *executor.Engine
	log      *slog.Logger
	ca       []byte // PEM files of the GitLab connection, which git uses too
	cert     []byte
	key      []byte
	cache    *cache.Store  // distributed; nil when there is none
	replaced chan struct{} // closed when another entry, or none, has taken this one's place
}

// entries prepares the runners of a configuration. An error is about one that is meant to work and cannot; those that the
// configuration itself disables are told and left out.
func (r *Runner) entriesOf(ctx context.Context, c *config.Config) ([]*entry, error) {
	var entries []*entry
	for i := range c.Runners {
		rc := &c.Runners[i]
		if rc.Disabled != "" {
			r.Logger.Error("this runner takes no jobs", "runner", rc.Name, "reason", rc.Disabled)
			continue
		}
		e, err := r.entryOf(ctx, c, rc)
		if err != nil {
			return nil, fmt.Errorf("runner %s: %w", rc.Name, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (r *Runner) entryOf(ctx context.Context, global *config.Config, c *config.Runner) (*entry, error) {
	e := &entry{config: c, global: global, log: r.Logger.With("runner", c.Name), replaced: make(chan struct{})}
	e.cache = e.openCache()
	api, err := jobapi.New(jobapi.Options{
		URL: c.URL, Token: c.Token, SystemID: r.SystemID, Name: c.Name, Info: jobapi.DefaultInfo(r.Version, r.Revision),
		TLSCAFile: c.TLSCAFile, TLSCertFile: c.TLSCertFile, TLSKeyFile: c.TLSKeyFile,
		ConnectionMaxAge: global.ConnectionMaxAge, Logger: r.Logger,
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
	e.engine, err = r.engine(ctx, c.Docker.Engine(r.Env))
	return e, err
}

// engine is the one connection to an engine, which the entries on it share and which a reload keeps.
func (r *Runner) engine(ctx context.Context, where config.Engine) (*executor.Engine, error) {
	if r.engines[where] == nil {
		engine, err := r.Connect(ctx, where)
		if err != nil {
			return nil, err
		}
		r.engines[where] = engine
	}
	return r.engines[where], nil
}

// Connect reaches an engine. What is created there belongs to the system id.
func (o *Options) Connect(ctx context.Context, where config.Engine) (*executor.Engine, error) {
	return executor.Connect(ctx, executor.Connection{
		Host: where.Host, TLSVerify: where.TLSVerify, CertPath: where.CertPath, APIVersion: o.Env("DOCKER_API_VERSION"),
		Owner: o.SystemID, UserAgent: "lced-runner/" + o.Version,
	})
}

// introduce tells GitLab of this runner and its features, and finds out whether its token is any good.
func (e *entry) introduce(ctx context.Context) {
	_, err := e.api.Verify(ctx)
	switch {
	case err == nil:
		e.log.Info("runner is known to GitLab", "url", e.config.URL)
	case ctx.Err() != nil:
	case errors.Is(err, jobapi.ErrTokenRefused):
		e.log.Error("GitLab refuses this runner", "url", e.config.URL, "error", err)
	default:
		e.log.Warn("GitLab does not answer; trying again while running", "url", e.config.URL, "error", err)
	}
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
