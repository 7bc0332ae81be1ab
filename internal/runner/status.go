package runner

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/plan"
	"lced-runner/internal/status"
	"lced-runner/jobapi"
)

// configured tells the status which runners are in use.
func configured(board *status.Board, c *config.Config, pollers []*poller) {
	var runners []*status.Runner
	for _, p := range pollers {
		runners = append(runners, p.entry().status)
	}
	board.Configured(c.Concurrent, runners)
}

// Kept lists what is ours on the engines.
func (cs *connections) Kept(ctx context.Context) ([]status.Kept, error) {
	cs.mu.Lock()
	engines := slices.Collect(maps.Values(cs.engines))
	cs.mu.Unlock()
	var kept []status.Kept
	var errs []error
	for _, engine := range engines {
		all, err := engine.Stock().Kept(ctx)
		jobs := map[string]string{} // by network, whose own labels may tell of none
		for _, k := range all {
			job := k.Labels["com.gitlab.gitlab-runner.job.id"]
			for _, network := range k.On {
				jobs[network] = cmp.Or(jobs[network], job)
			}
			if k.Kind == "network" {
				job = cmp.Or(job, jobs[k.Name])
			}
			kept = append(kept, status.Kept{Kind: k.Kind, Name: k.Name, State: k.State, Job: job})
		}
		errs = append(errs, err)
	}
	return kept, errors.Join(errs...)
}

// factsOf are what is told of a job.
func factsOf(job *jobapi.Job) status.Facts {
	info := job.JobInfo
	f := status.Facts{
		ID: job.ID, Name: info.Name, Project: info.ProjectFullPath, ProjectJobs: info.ProjectJobs,
		Queued: time.Duration(info.TimeInQueue * float64(time.Second)), QueueSize: info.QueueSize, QueueDepth: info.QueueDepth,
	}
	for _, v := range job.Variables {
		switch {
		case v.Key == "CI_JOB_URL":
			f.URL = v.Value
		case v.Key == "CI_PROJECT_PATH" && f.Project == "": // a GitLab before 17
			f.Project = v.Value
		}
	}
	return f
}

// section opens a section of the log, at which the job is then, and measures how long it is open.
func (l *life) section(name, title string) executor.Section {
	l.status.Stage(name)
	return &measured{Section: l.trace.Section(name, title), over: sync.OnceFunc(l.status.Measure(name))}
}

// measured is a section that tells when it is over.
type measured struct {
	executor.Section
	over func()
}

// Close implements executor.Section.
func (m *measured) Close() error {
	m.over()
	return m.Section.Close()
}

// interpolated tells what became of the job's inputs.
func interpolated(job *status.Job, c *plan.Compiled, err error) {
	if bad, ok := errors.AsType[*plan.InputsError](err); ok {
		job.InputsFailed(bad.Kind)
	}
	if c != nil {
		job.Interpolated(c.Interpolated)
	}
}

// started tells how long the parts of the start-up took. Of services only the kind is told: every job may name its own.
func started(run *executor.Job, job *status.Job) {
	for _, s := range run.Spans {
		job.Started(s.Part, s.Took)
	}
}
