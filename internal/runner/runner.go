// Package runner is the spine: it holds slots, polls GitLab for jobs and leads each through its life (job.go), from the
// payload to the final update. What a job means is decided by package plan, what becomes of it on the engine by package
// executor; how its ending is told to GitLab is decided here (outcome.go), and nowhere else.
//
// Data moves from jobapi.Request to jobapi.UpdateJob; the only wire back is the cancel that GitLab's replies carry. There are
// five lifetimes: poll (asking for jobs), stay (watching over the running ones), jobs (all of them), job (one, with its timeout), and cleanup, which outlives the
// job but is bounded.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/janitor"
	"lced-runner/internal/journal"
	"lced-runner/internal/status"
	"lced-runner/jobapi"
)

// Options are what a Runner is made of. Nothing in it is read from the environment.
type Options struct {
	Config     *config.Config
	ConfigFile string // which holds the configuration, and gets new tokens; empty: there is none
	SystemID   string
	BootID     string // of this machine, as its kernel names it
	StateDir   string // holds the journal and the spools of job logs; exists, and is this process's alone
	Version    string
	Revision   string
	Host       string                  // host name, for job logs
	MountInfo  string                  // text of /proc/self/mountinfo
	DockerAuth func() []byte           // reads the runner user's ~/.docker/config.json; nothing when there is none
	Env        func(key string) string // for the docker client's own variables
	Logger     *slog.Logger
	Ration     Ration                          // after which it ends by itself
	Status     *status.Board                   // is told what happens; nil for nobody
	Live       func(job *jobapi.Job) io.Writer // takes a copy of each job's log; nil for none
}

// Runner takes jobs from one or more GitLabs and runs them.
type Runner struct {
	connections
	slots   *slots
	rations rations
	journal *journal.Journal
	stores  *stores
	warm    *dind.Pool[*executor.Spare]
	helpers *dind.Pool[*executor.Spare]
	pollers []*poller // of the present configuration, in its order
	housed  map[config.Engine]bool
	leaving sync.Mutex
	left    []leftJob // jobs that go on without this process
}

// New connects to the engines. The error is one sentence that says what to do. A configuration without runners is no error:
// one may be added while the runner runs.
func New(ctx context.Context, o Options) (*Runner, error) {
	if o.Status == nil {
		o.Status = status.New(status.Options{})
	}
	j, err := journal.Open(filepath.Join(o.StateDir, "journal"))
	if err != nil {
		return nil, err
	}
	r := &Runner{
		connections: connections{Options: o, engines: map[config.Engine]*executor.Engine{}, janitors: map[config.Engine]*janitor.Janitor{}, networks: dind.NewPool[*executor.Spare]()},
		slots:       newSlots(o.Config.Concurrent), rations: rations{Ration: o.Ration}, journal: j, housed: map[config.Engine]bool{},
		warm: dind.NewPool[*executor.Spare](), helpers: dind.NewPool[*executor.Spare](),
	}
	r.known = r.knows
	if r.stores, err = openStores(o.StateDir); err != nil {
		o.Logger.Warn("which stored images are the oldest is not known", "error", err)
	}
	if err := r.listenForTerminals(o.Config.SessionServer); err != nil {
		return nil, err
	}
	entries, err := r.entriesOf(ctx, o.Config)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		r.pollers = append(r.pollers, newPoller(e))
	}
	return r, nil
}

// Run takes jobs until poll ends, then waits for the running ones. The end of stay leaves those to the next process, the end
// of jobs ends them, both at once. changes brings new readings of the configuration; one that cannot be used is told and
// left alone.
func (r *Runner) Run(poll, stay, jobs context.Context, changes <-chan *config.Config) error {
	defer r.serveTerminals(jobs)()
	defer context.AfterFunc(jobs, func() { r.Status.Enter(status.Ending) })()
	var wg sync.WaitGroup
	begin := sync.OnceFunc(func() { r.recoverJobs(poll, stay, jobs, &wg) })
	if len(r.pollers) > 0 {
		begin()
	}
	poll, stop := context.WithCancelCause(poll)
	defer stop(nil)
	r.rations.begin(stop)
	learnt := make(chan error, 1)
	pollers := r.pollers
	wg.Go(func() { learnt <- r.learn(poll, pollers) })
	expiry := time.NewTicker(spareCheck)
	defer expiry.Stop()
	r.feed(poll, stay, jobs, stop, &wg)
	configured(r.Status, r.Config, r.pollers)
	r.Status.Enter(status.Running)
	r.Logger.Info("taking jobs", "runners", len(r.pollers), "concurrent", r.Config.Concurrent)
	var unfit error
	for poll.Err() == nil {
		select {
		case c := <-changes:
			if err := r.reload(poll, c); err != nil {
				r.Logger.Error("the new configuration cannot be used, the old one stays", "error", err)
				r.Status.Refused(err)
				continue
			}
			if len(r.pollers) > 0 {
				begin() // the first runner of a configuration that had none
			}
			r.feed(poll, stay, jobs, stop, &wg)
			configured(r.Status, c, r.pollers)
			r.Logger.Info("the new configuration is in use", "runners", len(r.pollers), "concurrent", c.Concurrent)
		case <-expiry.C:
			wg.Go(func() { expireSpares(poll, r) })
		case unfit = <-learnt:
			if unfit != nil {
				stop(unfit)
			}
		case <-poll.Done():
			if jobs.Err() == nil {
				r.Status.Enter(status.Draining)
			}
			if why := context.Cause(poll); errors.Is(why, errEnough) || errors.Is(why, errIdle) {
				r.Logger.Info("taking no more jobs", "reason", why)
			}
		}
	}
	wg.Wait()
	clearUp(stay, jobs, r)
	return unfit
}

// clearUp removes what is kept on the engine when the last job has ended, unless a next process is to come for jobs that go on.
func clearUp(stay, jobs context.Context, r *Runner) {
	if len(r.left) > 0 && jobs.Err() == nil {
		standBy(jobs, r)
	}
	if len(r.left) > 0 && jobs.Err() != nil { // they were left, and then told to end after all
		endLeft(jobs, r)
	}
	left, err := r.journal.Jobs()
	if stay.Err() != nil && err == nil && len(left) > 0 {
		return // a next process is to come for the jobs, and takes over what is kept ready as well
	}
	bare := context.WithoutCancel(jobs)
	if err := errors.Join(r.warm.Close(bare), r.helpers.Close(bare), r.networks.Close(bare)); err != nil {
		r.Logger.Warn("could not remove everything that was kept ready; the next start does", "error", err)
	}
	if err == nil && len(left) == 0 && jobs.Err() == nil {
		// What an earlier process asked for in its last moment may have come into being after this one's start.
		bound, cancel := context.WithTimeoutCause(context.WithoutCancel(jobs), standbyTime, errors.New("the engine was too slow"))
		defer cancel()
		r.sweep(bound, nil, func(*executor.Engine) []*executor.Spare { return nil })
	}
}

// feed starts the loops that ask for jobs, as many as each runner is to have and has not. stop ends polling.
func (r *Runner) feed(poll, stay, jobs context.Context, stop func(why error), wg *sync.WaitGroup) {
	r.keepHouse(poll, wg)
	for _, p := range r.pollers {
		p.token.Do(func() { wg.Go(func() { r.keepToken(poll, p) }) })
		for range p.missing() {
			wg.Go(func() {
				r.poll(poll, p, func(e *entry, job *jobapi.Job, s *slot) {
					if r.rations.took() {
						stop(errEnough)
					}
					wg.Go(func() { r.runJob(poll, stay, jobs, e, job, s) })
				})
			})
		}
	}
}

// learn learns the engines' facts while GitLab is asked for the first job, which waits for them. An error is about an engine
// on which no job can run.
func (r *Runner) learn(ctx context.Context, pollers []*poller) error {
	for _, p := range pollers {
		e, begun := p.entry(), time.Now()
		own, facts, err := r.engineFacts(ctx, e)
		if _, away := errors.AsType[*executor.EngineError](err); away {
			e.log.Warn("the engine is not known yet; the first job asks it again", "error", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("runner %s: %w", e.config.Name, err)
		}
		e.log.Info("engine is ready", "engine", facts.Version, "host", facts.Host, "mtu", facts.MTU, "helper_image", own, "took", time.Since(begun).Round(time.Millisecond))
	}
	return nil
}
