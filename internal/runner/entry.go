package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/cache"
	"lced-runner/internal/config"
	"lced-runner/internal/janitor"
	"lced-runner/internal/plan"
	"lced-runner/internal/session"
	"lced-runner/internal/status"
	"lced-runner/jobapi"
)

// entry is one [[runners]] table as one reading of the configuration has it. It never changes: a job keeps the entry with
// which it began, and a new reading makes a new one.
type entry struct {
	config   *config.Runner
	global   *config.Config
	api      *jobapi.Client
	engine   *executor.Engine
	host     string // the engine's address
	janitor  *janitor.Janitor
	log      *slog.Logger
	status   *status.Runner
	ca       []byte // PEM files of the GitLab connection, which git uses too
	cert     []byte
	key      []byte
	cache    *cache.Store  // distributed; nil when there is none
	replaced chan struct{} // closed when another entry, or none, has taken this one's place
}

// connections makes entries, and holds what they share over all readings of the configuration.
type connections struct {
	Options
	mu        sync.Mutex // of engines
	engines   map[config.Engine]*executor.Engine
	janitors  map[config.Engine]*janitor.Janitor
	known     func(labels map[string]string) bool // what the journal knows is no orphan
	networks  *dind.Pool[*executor.Spare]         // kept for jobs to come
	sessions  *session.Server                     // of web terminals; nil: there are none
	terminals config.SessionServer                // with which it was started
}

// entriesOf prepares the runners of a configuration. An error is about one that is meant to work and cannot; those that the
// configuration itself disables are told and left out.
func (cs *connections) entriesOf(ctx context.Context, c *config.Config) ([]*entry, error) {
	var entries []*entry
	for i := range c.Runners {
		rc := &c.Runners[i]
		if rc.Disabled != "" {
			cs.Logger.Error("this runner takes no jobs", "runner", rc.Name, "reason", rc.Disabled)
			continue
		}
		e, err := cs.entryOf(ctx, c, rc)
		if err != nil {
			return nil, fmt.Errorf("runner %s: %w", rc.Name, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (cs *connections) entryOf(ctx context.Context, global *config.Config, c *config.Runner) (*entry, error) {
	e := &entry{config: c, global: global, log: cs.Logger.With("runner", c.Name), replaced: make(chan struct{})}
	where := c.Docker.Engine(cs.Env)
	e.status = cs.Status.Runner(
		status.Identity{Name: c.Name, ShortToken: jobapi.ShortToken(c.Token.Reveal()), URL: c.URL},
		status.Limits{Jobs: c.Limit, Requests: max(1, c.RequestConcurrency)}, where.Host)
	e.cache = e.openCache()
	var err error
	if e.api, err = cs.client(global, c, e.status); err != nil {
		return nil, err
	}
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
	e.engine, err = cs.engine(ctx, where)
	e.janitor, e.host = cs.janitors[where], where.Host
	return e, err
}

// client speaks to the runner's GitLab.
func (cs *connections) client(global *config.Config, c *config.Runner, told *status.Runner) (*jobapi.Client, error) {
	info := jobapi.DefaultInfo(cs.Version, cs.Revision)
	info.Features.Session, info.Features.Terminal = cs.sessions != nil, cs.sessions != nil
	return jobapi.New(jobapi.Options{
		URL: c.URL, Token: c.Token, SystemID: cs.SystemID, Name: c.Name, Info: info,
		TLSCAFile: c.TLSCAFile, TLSCertFile: c.TLSCertFile, TLSKeyFile: c.TLSKeyFile,
		ConnectionMaxAge: global.ConnectionMaxAge, Logger: cs.Logger,
		Observe: func(x jobapi.Exchange) {
			told.Called(status.Call{Endpoint: x.Endpoint, Method: x.Method, Status: x.Status, Took: x.Took})
		},
	})
}

// engine is the one connection to an engine, which the entries on it share and which a reload keeps.
func (cs *connections) engine(ctx context.Context, where config.Engine) (*executor.Engine, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.engines[where] == nil {
		var j *janitor.Janitor
		more := executor.Connection{
			OnUse:      func(u executor.Use) { j.Note(u) },
			FreeSubnet: func(ctx context.Context) (bool, error) { return cs.networks.Relieve(ctx, where.Host) },
		}
		for _, other := range cs.engines {
			more.Beside = other
		}
		engine, err := cs.Connect(ctx, where, more)
		if err != nil {
			return nil, err
		}
		cs.engines[where] = engine
		j = cs.newJanitor(ctx, engine, where)
		cs.janitors[where] = j
	}
	return cs.engines[where], nil
}

// Connect reaches an engine. What is created there belongs to the system id. The rest of the connection is as it is given.
func (o *Options) Connect(ctx context.Context, where config.Engine, c executor.Connection) (*executor.Engine, error) {
	c.Host, c.TLSVerify, c.CertPath, c.APIVersion = where.Host, where.TLSVerify, where.CertPath, o.Env("DOCKER_API_VERSION")
	c.Owner, c.UserAgent = o.SystemID, "lced-runner/"+o.Version
	return executor.Connect(ctx, c)
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
func (cs *connections) engineFacts(ctx context.Context, e *entry) (ownImage string, facts *executor.Facts, err error) {
	configured, err := HelperImage(ctx, e.config, cs.DockerAuth())
	if err != nil {
		return "", nil, err
	}
	ownImage, err = e.engine.OwnImage(ctx, cs.MountInfo, configured, executor.ReleaseImage(cs.Version))
	if err != nil {
		return "", nil, err
	}
	facts, err = e.engine.Facts(ctx, ownImage, []string{plan.Binary, "helper", "facts"})
	return ownImage, facts, err
}

// sweep removes what an earlier process with our system id left behind, but for what belongs to these plans, and for what
// adopt takes over.
func (cs *connections) sweep(ctx context.Context, plans []*executor.Plan, adopt func(*executor.Engine) []*executor.Spare) {
	for _, engine := range cs.engines {
		if err := engine.Sweep(ctx, false, executor.Leave{Plans: plans, Spares: adopt(engine)}); err != nil {
			cs.Logger.Warn("could not remove everything that an earlier runner left on the engine", "error", err)
		}
	}
}
