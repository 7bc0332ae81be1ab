package status

import (
	"context"
	"fmt"
	"time"
)

// Report is what the running runner says of itself.
type Report struct {
	Version    string         `json:"version"`
	Revision   string         `json:"revision"`
	SystemID   string         `json:"system_id"`
	ConfigFile string         `json:"config_file"`
	Process    Phase          `json:"process"`
	Begun      time.Time      `json:"begun"`
	Loaded     time.Time      `json:"config_loaded"`
	Refusal    string         `json:"config_refused,omitempty"` // why the last change of the configuration is not in use
	Concurrent int            `json:"concurrent"`
	Runners    []RunnerReport `json:"runners"`
	Jobs       []JobReport    `json:"jobs"`
	Kept       []Kept         `json:"kept"` // on the engines
	KeptError  string         `json:"kept_error,omitempty"`
	Disk       Disk           `json:"disk"`
	WhyNoJob   []string       `json:"why_no_job"` // empty when every runner waits for GitLab to have a job
	Ready      bool           `json:"ready"`
	Alive      bool           `json:"alive"`
}

// RunnerReport is one runner of the configuration.
type RunnerReport struct {
	Name       string    `json:"name"`
	ShortToken string    `json:"token"` // its short form
	URL        string    `json:"url"`
	Engine     string    `json:"engine"`
	EngineUp   bool      `json:"engine_up"`
	Limit      int       `json:"limit"`
	Running    int       `json:"running"`
	Doing      string    `json:"doing"` // one sentence
	Answered   time.Time `json:"gitlab_last_answer,omitzero"`
}

// JobReport is one job that runs.
type JobReport struct {
	ID      int64     `json:"id"`
	URL     string    `json:"url,omitempty"`
	Name    string    `json:"name"`
	Project string    `json:"project"`
	Runner  string    `json:"runner"`
	Stage   string    `json:"stage"`
	Begun   time.Time `json:"begun"`
	Since   time.Time `json:"stage_begun"`
}

// Kept is something of ours on an engine.
type Kept struct {
	Kind  string `json:"kind"` // container, network or volume
	Name  string `json:"name"`
	State string `json:"state,omitempty"`
	Job   string `json:"job,omitempty"` // its id; empty for what no job has
}

// Keeper lists what is ours on the engines. It may ask them, so it may take a while or fail.
type Keeper func(ctx context.Context) ([]Kept, error)

// keptTimeout bounds the question to an engine that hangs: a report says so then, instead of hanging too.
const keptTimeout = 5 * time.Second

// stuck is after how long a request for a job is taken for one that will never end: GitLab holds one for a minute, and
// client and engine have limits far below this.
const stuck = 30 * time.Minute

// Report collects everything; keeper may be nil.
func (b *Board) Report(ctx context.Context, keeper Keeper) Report {
	r := b.report(time.Now())
	if b.StateDir != "" {
		r.Disk, _ = look(b.StateDir) // a disk that does not answer has told its users by errors
	}
	if keeper != nil {
		ctx, cancel := context.WithTimeoutCause(ctx, keptTimeout, fmt.Errorf("the engine did not answer for %v", keptTimeout))
		defer cancel()
		kept, err := keeper(ctx)
		if r.Kept = kept; err != nil {
			r.KeptError = err.Error()
		}
	}
	return r
}

func (b *Board) report(now time.Time) Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := Report{
		Version: b.Version, Revision: b.Revision, SystemID: b.SystemID, ConfigFile: b.ConfigFile,
		Process: b.phase, Begun: b.begun, Loaded: b.loaded, Refusal: b.refusal, Concurrent: b.concurrent, Alive: true,
	}
	for _, r := range b.runners {
		one := RunnerReport{
			Name: r.Name, ShortToken: r.ShortToken, URL: r.URL, Engine: r.engine, EngineUp: r.engineUp,
			Limit: r.limits.Jobs, Running: r.inUse, Answered: r.answered, Doing: r.sentence(now, len(b.jobs)),
		}
		out.Runners = append(out.Runners, one)
		hangs := r.doing == asking && now.Sub(r.since) > stuck
		switch {
		case hangs:
			out.Alive = false
			fallthrough
		case r.problem != "", r.answered.IsZero():
			out.WhyNoJob = append(out.WhyNoJob, "runner "+r.Name+": "+one.Doing)
		default:
			out.Ready = true
		}
	}
	for _, j := range b.jobs {
		out.Jobs = append(out.Jobs, JobReport{
			ID: j.ID, URL: j.URL, Name: j.Name, Project: j.Project, Runner: j.runner.Name, Stage: j.stage, Begun: j.begun, Since: j.since,
		})
	}
	switch {
	case b.phase != Running:
		out.Ready = false
		out.WhyNoJob = []string{fmt.Sprintf("the process is in the state %s: it takes no new jobs", b.phase)}
	case len(b.runners) == 0:
		out.WhyNoJob = []string{"the configuration has no usable [[runners]]: add one with a token from GitLab, or look at the log for what is wrong with those that it has"}
	case len(b.jobs) >= b.concurrent:
		out.WhyNoJob = append(out.WhyNoJob, fmt.Sprintf("as many jobs run as concurrent allows (%d)", b.concurrent))
	}
	return out
}

// sentence says what a runner is at, and why it has no job. The caller holds the lock.
func (r *Runner) sentence(now time.Time, running int) string {
	ago := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() }
	switch {
	case r.problem != "" && r.doing == pausing:
		return fmt.Sprintf("%s; next try in %s", r.problem, max(0, r.until.Sub(now)).Round(time.Second))
	case r.problem != "":
		return r.problem + "; trying again now"
	case r.doing == waiting && r.limits.Jobs > 0 && r.inUse >= r.limits.Jobs:
		return fmt.Sprintf("has as many jobs as its limit allows (%d)", r.limits.Jobs)
	case r.doing == waiting && running > 0:
		return "waits for a slot: others have all that concurrent allows"
	case r.answered.IsZero():
		return "asks GitLab for the first time, for " + ago(r.since)
	}
	return fmt.Sprintf("asks GitLab, which answered %s ago; when it has no job for this runner, look at the runner's tags, and whether it is paused or the branch not protected", ago(r.answered))
}
