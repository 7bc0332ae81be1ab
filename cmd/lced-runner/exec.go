package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lced-runner/executor"
	"lced-runner/internal/ciyaml"
	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
	"lced-runner/internal/runner"
	"lced-runner/jobapi"
)

// execOptions are the flags of exec.
type execOptions struct {
	file       string // .gitlab-ci.yml
	config     string // config.toml whose first runner the jobs run with
	report     string
	concurrent int
	variables  []string
}

func newExec(g *globals) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [flags] [JOB...]",
		Short: "Run the pipeline of the current repository on this machine",
		Long: "Run the pipeline of the current repository on this machine, uncommitted changes included.\n" +
			"The jobs take the same way as in production; only the GitLab is local. Exits 1 if the pipeline failed.",
		Example: "  lced-runner exec\n" +
			"  lced-runner exec -f ci/build.yml build\n" +
			"  lced-runner exec --config /etc/gitlab-runner/config.toml --variable HARBOR_HOST=harbor.example.com",
		RunE: func(cmd *cobra.Command, jobs []string) error { return execute(cmd.Context(), g, o, jobs) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "file", "f", ".gitlab-ci.yml", "pipeline file")
	flags.StringVarP(&o.config, "config", "c", "", "configuration whose first runner is used, with another url and token; without it docker-in-docker is allowed and images are pulled if not present")
	flags.StringVar(&o.report, "report", "", "append one line of JSON for each job to this file")
	flags.IntVarP(&o.concurrent, "concurrent", "j", 1, "jobs at once; above 1 their logs mix line by line")
	flags.StringArrayVar(&o.variables, "variable", nil, "KEY=VALUE of the project, may be repeated")
	return cmd
}

func execute(ctx context.Context, g *globals, o execOptions, names []string) error {
	pipeline, err := readPipeline(o.file, names)
	if err != nil {
		return err
	}
	variables, err := projectVariables(o.variables)
	if err != nil {
		return err
	}
	c, err := execConfig(o)
	if err != nil {
		return err
	}
	if g.logLevel == "" && !g.debug {
		g.logLevel = "warn" // the job logs are what the user came for
	}
	log, _, err := newLogger(os.Stderr, g, c)
	if err != nil {
		return err
	}
	poll, stay, jobs, stop := lifetimes(ctx, stopping{timeout: c.ShutdownTimeout, log: log, also: []os.Signal{syscall.SIGHUP}}) // the terminal is gone
	defer stop()
	tmp, err := os.MkdirTemp("", "lced-runner-exec")
	if err != nil {
		return fmt.Errorf("make a directory for the repository and the logs: %w", err)
	}
	defer os.RemoveAll(tmp)
	// A system id of its own: exec may run beside a runner of the same machine.
	id := "r_" + rand.Text()[:12]
	options, err := runnerOptions(c, id, tmp, log)
	if err != nil {
		return err
	}
	engine, err := options.Connect(poll, c.Runners[0].Docker.Engine(os.Getenv), executor.Connection{})
	if err != nil {
		return err
	}
	defer engine.Close()
	defer engine.Sweep(context.WithoutCancel(ctx), true, executor.Leave{})
	server, closeServer, err := serve(poll, engine, &c.Runners[0], o.concurrent > 1)
	if err != nil {
		return err
	}
	defer closeServer()
	repository, err := coordinator.Snapshot(poll, ".", filepath.Join(tmp, "repository"))
	if err != nil {
		return err
	}
	submitted, err := server.Submit(poll, coordinator.Submission{Pipeline: pipeline, Repository: repository, Variables: variables})
	if err != nil {
		return err
	}
	if err := runUntilDone(poll, stay, jobs, server, submitted, options); err != nil {
		return err
	}
	return report(server, submitted, o.report)
}

// readPipeline reads the file and keeps the named jobs, or all.
func readPipeline(file string, names []string) (*ciyaml.Pipeline, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the pipeline: %w (name another file with -f)", err)
	}
	p, err := ciyaml.Parse(data, file)
	if err != nil || len(names) == 0 {
		return p, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(p.Jobs, func(j ciyaml.Job) bool { return j.Name == name }) {
			return nil, fmt.Errorf("%s has no job %q", file, name)
		}
	}
	p.Jobs = slices.DeleteFunc(p.Jobs, func(j ciyaml.Job) bool { return !slices.Contains(names, j.Name) })
	for i := range p.Jobs {
		if p.Jobs[i].When == "manual" {
			p.Jobs[i].When = "on_success" // naming a job is playing it
		}
	}
	return p, nil
}

func projectVariables(list []string) ([]coordinator.Variable, error) {
	var out []coordinator.Variable
	for _, kv := range list {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--variable %q is not KEY=VALUE", kv)
		}
		out = append(out, coordinator.Variable{Key: key, Value: value, Public: true})
	}
	return out, nil
}

// execConfig is the given configuration's first runner, or one that is good for trying things out.
func execConfig(o execOptions) (*config.Config, error) {
	c := config.Default()
	r := config.DefaultRunner()
	r.Name, r.Docker.PullPolicy, r.Dind.Privileged = "exec", []string{"if-not-present"}, true
	if o.config != "" {
		loaded, _, err := config.Load(o.config, os.Getenv)
		if err != nil {
			return nil, err
		}
		usable := slices.IndexFunc(loaded.Runners, func(r config.Runner) bool { return r.Executor == "docker" })
		if usable < 0 {
			return nil, fmt.Errorf("%s has no [[runners]] with executor = \"docker\"", o.config)
		}
		c, r = loaded, loaded.Runners[usable]
	}
	r.Token, r.Disabled, r.Limit = config.DefaultRunner().Token, "", 0
	c.SessionServer = config.SessionServer{} // nobody would open a terminal
	c.Runners, c.Concurrent, c.CheckInterval = []config.Runner{r}, o.concurrent, time.Second
	return c, nil
}

// serve starts a GitLab of our own where both this process and the jobs' containers reach it: at the gateway of the
// engine's default bridge. The runner's url and token become its.
func serve(ctx context.Context, engine *executor.Engine, r *config.Runner, mixed bool) (*coordinator.Server, func(), error) {
	gateway, err := engine.Gateway(ctx)
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		return nil, nil, fmt.Errorf("listen where containers reach this machine: %w (exec needs an engine on this machine)", err)
	}
	r.URL = "http://" + listener.Addr().String()
	var out lines
	server, err := coordinator.New(coordinator.Options{URL: r.URL, TraceInterval: time.Second, LongPoll: 20 * time.Second, Live: func(j coordinator.Job) io.Writer {
		if mixed {
			return out.prefixed(j.Name)
		}
		fmt.Printf("\n\x1b[1m--- job %s, stage %s ---\x1b[0m\n", j.Name, j.Stage)
		return os.Stdout
	}})
	if err != nil {
		return nil, nil, err
	}
	token := rand.Text()
	r.Token = jobapi.Secret(token)
	server.AddRunner(coordinator.Runner{Token: token, Description: r.Name, AnyTags: true})
	sctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.Serve(sctx, listener) }()
	return server, func() {
		cancel(errors.New("exec has ended"))
		<-served
	}, nil
}

// runUntilDone runs the runner until the pipeline has ended.
func runUntilDone(poll, stay, jobs context.Context, server *coordinator.Server, id int64, o runner.Options) error {
	poll, drain := context.WithCancelCause(poll)
	defer drain(nil)
	r, err := runner.New(poll, o)
	if err != nil {
		return err
	}
	waited := make(chan error, 1)
	go func() {
		_, err := server.Wait(poll, id)
		drain(errDrain)
		waited <- err
	}()
	err = r.Run(poll, stay, jobs, nil)
	if errors.Is(err, errDrain) || errors.Is(err, context.Canceled) {
		err = nil
	}
	drain(errDrain)
	<-waited
	return err
}

// report prints the table of jobs; the error is the exit code of a pipeline that did not succeed.
func report(server *coordinator.Server, id int64, file string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nJOB\tSTAGE\tSTATE\tDURATION\tREASON")
	failed := false
	var records []map[string]any
	for _, j := range server.Jobs(id) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f s\t%s\n", j.Name, j.Stage, j.State, j.Duration().Seconds(), j.FailureReason)
		failed = failed || !j.AllowFailure && j.State != coordinator.StateSuccess && j.State != coordinator.StateManual
		records = append(records, map[string]any{"job": j.Name, "stage": j.Stage, "state": j.State, "seconds": j.Duration().Seconds(), "reason": j.FailureReason})
	}
	w.Flush()
	for _, v := range server.Violations() {
		fmt.Fprintln(os.Stderr, "violation of the job API:", v)
		failed = true
	}
	if file != "" {
		if err := appendReport(file, records); err != nil {
			return err
		}
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

func appendReport(file string, records []map[string]any) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	enc := json.NewEncoder(f)
	for _, r := range records {
		if err := enc.Encode(r); err != nil {
			f.Close()
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return f.Close()
}
