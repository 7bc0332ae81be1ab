// Package doctor looks for what keeps a runner from working, and says how to mend it: the configuration, the engine and its
// host, the network, GitLab, the registry, and at last a whole job with a docker daemon of its own.
//
// Each group of checks is in a file of its name, and tells its findings as it makes them; a check whose ground is missing
// says nothing, since the finding about the ground does. What is created on the engine is removed again.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/runner"
)

// Level says how bad a finding is.
type Level string

// The levels. A Warn is worth knowing, or keeps some jobs from working; a Fail keeps the runner from working.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is the result of one check.
type Finding struct {
	Level  Level  `json:"level"`
	Check  string `json:"check"`
	Runner string `json:"runner,omitempty"` // whose configuration it is about, where there are several
	Text   string `json:"text"`             // what is so
	Remedy string `json:"remedy,omitempty"` // what to do; empty if nothing is to be done
}

// Options are what the doctor looks at.
type Options struct {
	runner.Options                                // of the runner that would run here
	Warnings       []config.Warning               // of the configuration
	Broken         error                          // why there is none
	Job            bool                           // also run a job with a docker daemon of its own, which takes some seconds
	Report         func(Finding)                  // takes each finding when it is made
	NewOwner       func() string                  // a system id for things on the engine, which a running runner must not touch
	TempDir        func() (string, func(), error) // a directory, and its removal
}

// doctor is one examination.
type doctor struct {
	Options
	reporter
}

// reporter makes findings.
type reporter struct {
	report func(Finding)
	runner string // whose turn it is, where there are several
}

// examineTime bounds each group of checks but the job: an engine or a GitLab that hangs is a finding too.
const examineTime = 2 * time.Minute

// Examine makes all checks.
func Examine(ctx context.Context, o Options) {
	d := &doctor{Options: o, reporter: reporter{report: o.Report}}
	d.configuration()
	for i := range o.Config.Runners {
		r := &o.Config.Runners[i]
		if len(o.Config.Runners) > 1 {
			d.runner = r.Name
		}
		d.bounded(ctx, func(ctx context.Context) { d.gitlab(ctx, r) })
		d.engine(ctx, r)
	}
	if len(o.Config.Runners) == 0 {
		r := config.DefaultRunner()
		d.engine(ctx, &r)
	}
}

func (d *doctor) bounded(ctx context.Context, checks func(context.Context)) {
	ctx, cancel := context.WithTimeoutCause(ctx, examineTime, fmt.Errorf("no end within %s", examineTime))
	defer cancel()
	checks(ctx)
}

// engine makes the checks of an engine.
func (d *doctor) engine(ctx context.Context, r *config.Runner) {
	o := d.Options.Options
	o.SystemID = d.NewOwner()
	where := r.Docker.Engine(o.Env)
	e, err := o.Connect(ctx, where, executor.Connection{})
	if err != nil {
		d.fail("engine", "start docker, and let this user reach it", "%v", err)
		return
	}
	defer e.Close()
	defer func() { _ = e.Sweep(context.WithoutCancel(ctx), true, executor.Leave{}) }()
	image := ""
	d.bounded(ctx, func(ctx context.Context) {
		x := executor.Examine(e)
		about := d.about(ctx, x, where)
		if about == nil {
			return
		}
		if image = d.helperImage(ctx, e, r); image != "" {
			d.host(ctx, x, r, image, about)
			d.network(ctx, e, x, r, image, about)
		}
		d.registry(ctx, x, r)
	})
	if image != "" && d.Job {
		d.sidecar(ctx, executor.Examine(e), r)
	}
}

// helperImage is the image that helpers are made from.
func (d *doctor) helperImage(ctx context.Context, e *executor.Engine, r *config.Runner) string {
	var image string
	configured, err := runner.HelperImage(ctx, r, d.DockerAuth())
	if err == nil {
		image, err = e.OwnImage(ctx, d.MountInfo, configured, executor.ReleaseImage(d.Version))
	}
	if err != nil {
		d.fail("helper image", "run the runner from its image, or load that into the engine: docker save lced-runner | ssh BOARD docker load", "%v", err)
		return ""
	}
	d.ok("helper image", "is on the engine (%s)", image)
	return image
}

func (d *reporter) ok(check, format string, args ...any) {
	d.report(Finding{Level: OK, Check: check, Runner: d.runner, Text: fmt.Sprintf(format, args...)})
}

func (d *reporter) warn(check, remedy, format string, args ...any) {
	d.report(Finding{Level: Warn, Check: check, Runner: d.runner, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (d *reporter) fail(check, remedy, format string, args ...any) {
	d.report(Finding{Level: Fail, Check: check, Runner: d.runner, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// configuration is what the runner has been told.
func (d *doctor) configuration() {
	const check = "configuration"
	switch {
	case d.Broken != nil:
		d.fail(check, "mend the file, and see with `lced-runner lint`", "%v", d.Broken)
		return
	case len(d.Config.Runners) == 0:
		d.fail(check, "make a runner in GitLab (CI/CD settings, New runner), then run `lced-runner register`", "there is no [[runners]] in %s", d.ConfigFile)
		return
	}
	for _, w := range d.Warnings {
		d.warn(check, "", "%s", w)
	}
	for _, r := range d.Config.Runners {
		if r.Disabled != "" {
			d.fail(check, "", "runner %s takes no jobs: %s", r.Name, r.Disabled)
		}
	}
	d.ok(check, "%s has %d runners, %d jobs at once", d.ConfigFile, len(d.Config.Runners), d.Config.Concurrent)
}

var errNothing = errors.New("it printed nothing")
