package executor

import (
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// State is how far a job has come, as plain data: with it and the plan another process can go on with the job, see
// [ResumeJob].
type State struct {
	Nonce      string   `json:"nonce"`
	Ready      bool     `json:"ready,omitempty"`      // the start-up is over
	Containers []string `json:"containers,omitempty"` // ids, in the order of creation
	Services   []string `json:"services,omitempty"`   // ids, in the plan's order
	Build      string   `json:"build,omitempty"`      // id of the build container
	Helper     string   `json:"helper,omitempty"`     // id
	Stores     []string `json:"stores,omitempty"`     // names of the services' volumes that stay for the next job
	Result     *Result  `json:"result,omitempty"`     // of what has ended so far; nil = good
	Failed     bool     `json:"failed,omitempty"`     // the result is that of the steps: which final tasks run

	// The stages are the plan's steps, after_script and the final tasks, numbered through.
	Next    int      `json:"next,omitempty"`    // the one at work, or the next one
	Begun   bool     `json:"begun,omitempty"`   // it is at work
	Started bool     `json:"started,omitempty"` // the start line of its script was seen: it must not run twice
	Used    [2]int64 `json:"used,omitempty"`    // bytes of the build container's stdout and stderr before it
	Since   Moment   `json:"since,omitzero"`    // when it began
	Steps   Moment   `json:"steps,omitzero"`    // when the first step began
}

// Result is an error of a job in a form that a file can hold.
type Result struct {
	Exit    *ExitError  `json:"exit,omitempty"`
	Limit   *LimitError `json:"limit,omitempty"`   // a part took too long
	Task    bool        `json:"task,omitempty"`    // a helper stage failed
	Stopped string      `json:"stopped,omitempty"` // one of the causes for which steps end early
	Text    string      `json:"text,omitempty"`    // any other error

	cause error // itself, in the process that met it
}

func resultOf(err error) *Result {
	if err == nil {
		return nil
	}
	for _, cause := range stops() {
		if errors.Is(err, cause) {
			return &Result{Stopped: cause.Error(), cause: err}
		}
	}
	r := &Result{Task: isTaskError(err), cause: err}
	var exited, late bool
	r.Exit, exited = errors.AsType[*ExitError](err)
	if r.Limit, late = errors.AsType[*LimitError](err); !exited && !late {
		r.Text = err.Error()
	}
	return r
}

func (r *Result) err() (err error) {
	switch {
	case r == nil:
		return nil
	case r.cause != nil:
		return r.cause
	}
	for _, cause := range stops() {
		if r.Stopped == cause.Error() {
			return cause
		}
	}
	switch {
	case r.Exit != nil:
		err = r.Exit
	case r.Limit != nil:
		err = r.Limit
	default:
		err = errors.New(r.Text)
	}
	if r.Task {
		err = taskError{err}
	}
	return err
}

func stops() []error { return []error{ErrCanceled, ErrStepTimeout} }

// course is how far this process has come with a job.
type course struct {
	// Save, if set before Run, keeps what another process needs to go on with the job. It is called before what the state says
	// is begun.
	Save    func(State)
	resumed *Resumed // what another process left; nil for a new job

	mu    sync.Mutex
	state State // only Run changes it, but for the start line of a script and what a start-up creates
}

// save changes the state and tells it to who keeps it.
func (p *course) save(change func(s *State)) {
	p.mu.Lock()
	change(&p.state)
	s := p.state
	s.Containers, s.Services = slices.Clone(s.Containers), slices.Clone(s.Services)
	p.mu.Unlock()
	if p.Save != nil {
		p.Save(s)
	}
}

// adopting reports whether another process began the stage, and nobody has ended it.
func (p *course) adopting(n int) bool {
	return p.resumed != nil && p.resumed.State.Begun && p.resumed.State.Next == n
}

// begin notes that a stage is at work. One that another process began is as it left it.
func (p *course) begin(n int, used [2]int64) {
	if p.adopting(n) {
		return
	}
	p.save(func(s *State) {
		s.Next, s.Begun, s.Started, s.Used, s.Since = n, true, false, used, Now()
		if s.Steps == 0 {
			s.Steps = s.Since
		}
	})
}

// end notes how a stage ended, and which one is next. The first failure is the job's; failed says that it is the steps'.
func (p *course) end(next int, err error, failed bool) {
	p.save(func(s *State) {
		s.Next, s.Begun, s.Started = next, false, false
		if s.Result == nil && err != nil {
			s.Result, s.Failed = resultOf(err), failed
		}
	})
}

// track remembers a container for the job's end.
func (p *course) track(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Containers = append(p.state.Containers, id)
}

// untrack drops a container that is not the job's any more.
func (p *course) untrack(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Containers = slices.DeleteFunc(p.state.Containers, func(other string) bool { return other == id })
}

// forget drops what a start-up left that is removed by now.
func (p *course) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.state
	s.Containers, s.Services, s.Build, s.Helper = nil, nil, "", ""
}

// each does f to every container at once and joins the errors.
func (p *course) each(f func(id string) error) error {
	p.mu.Lock()
	ids := slices.Clone(p.state.Containers)
	p.mu.Unlock()
	errs := make([]error, len(ids))
	var g errgroup.Group
	for i, id := range ids {
		g.Go(func() error { errs[i] = f(id); return nil })
	}
	_ = g.Wait()
	return errors.Join(errs...)
}
