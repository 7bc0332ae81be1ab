package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"lced-runner/internal/config"
	"lced-runner/internal/runner"
)

// singleOptions are the flags of run-single that are no keys of the configuration.
type singleOptions struct {
	file, name      string
	maxBuilds       int
	waitTimeout     int // seconds
	shutdownTimeout int // seconds
}

// newRunSingle is the runner of a machine that is made for a job or a few, and goes away with it.
func newRunSingle(g *globals) *cobra.Command {
	var o singleOptions
	cmd := &cobra.Command{
		Use:   "run-single",
		Short: "Run one runner, without a configuration file or one of a file, until it has had its jobs",
		Long: "Run one runner, one job at a time, until it has had --max-builds jobs, or none for --wait-timeout seconds. It is given by flags and variables as for\n" +
			"register, and no configuration is written for it; or it is one of a configuration file, which no lced-runner uses at the same time. Without a file its\n" +
			"state (what a job leaves that is cut off, and the identity by which GitLab knows this machine) lies in a directory of its own where the file would be.\n" +
			"SIGQUIT waits for the running job, SIGTERM ends it.",
		Example: "  lced-runner run-single --url https://gitlab.example.com --token glrt-… --docker-image alpine --max-builds 1\n" +
			"  lced-runner run-single --config /etc/gitlab-runner/config.toml --runner hall-3 --wait-timeout 600",
		Args: noArguments,
	}
	flags := cmd.Flags()
	keys := addKeyFlags(flags)
	configFlag(flags, &o.file)
	flags.StringVarP(&o.name, "runner", "r", "", "name of the runner in the configuration file; it is not given by flags then")
	flags.IntVar(&o.maxBuilds, "max-builds", 0, "how many jobs to take before the end; 0: any number")
	flags.IntVar(&o.waitTimeout, "wait-timeout", 0, "after how many seconds without a job to end; 0: never")
	flags.IntVar(&o.shutdownTimeout, "shutdown-timeout", 0, "seconds that an aborted job has to end; 0: 30")
	keys.complete(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.maxBuilds < 0 || o.waitTimeout < 0 || o.shutdownTimeout < 0 {
			return errors.New("--max-builds, --wait-timeout and --shutdown-timeout are 0 or more")
		}
		var given []string
		for _, k := range keys {
			if flags.Changed(k.key.Flag) {
				given = append(given, "--"+k.key.Flag)
			}
		}
		if o.name != "" && len(given) > 0 {
			return fmt.Errorf("%s cannot be given with --runner, which takes all of the runner from the configuration file", strings.Join(given, ", "))
		}
		return runSingle(cmd.Context(), g, o, keys)
	}
	return cmd
}

func runSingle(ctx context.Context, g *globals, o singleOptions, keys keyFlags) error {
	c, file, warnings, err := singleConfig(o, keys)
	var log *slog.Logger
	var output *operatorLog
	if err == nil {
		log, output, err = newLogger(os.Stderr, g, c)
	}
	if err != nil {
		return err
	}
	for _, w := range warnings {
		log.Warn("configuration: " + w.String())
	}
	if why := c.Runners[0].Disabled; why != "" {
		return fmt.Errorf("the runner cannot take jobs: %s", why)
	}
	c.Concurrent, c.Runners[0].Limit = 1, 0
	if o.shutdownTimeout > 0 {
		c.ShutdownTimeout = time.Duration(o.shutdownTimeout) * time.Second
	}
	log.Info("starting one runner", "url", c.Runners[0].URL, "max_builds", o.maxBuilds, "wait_timeout", o.waitTimeout)
	w := &watcher{file: file, log: log, output: output, current: c}
	return w.serve(ctx, serving{
		listen: c.ListenAddress, fixed: true, also: []os.Signal{syscall.SIGHUP}, // the terminal is gone
		ration: runner.Ration{Jobs: o.maxBuilds, Idle: time.Duration(o.waitTimeout) * time.Second},
	})
}

// singleConfig is a configuration of one runner: that of the name in the file, or the one of flags and variables. file is
// where it stands or would stand: state and identity are beside it.
func singleConfig(o singleOptions, keys keyFlags) (c *config.Config, file string, warnings []config.Warning, err error) {
	if o.name != "" {
		if file, err = findConfig(o.file); err != nil {
			return nil, "", nil, err
		}
		if c, warnings, err = config.Load(file, os.Getenv); c == nil {
			return nil, "", nil, err
		}
		c.Runners = slices.DeleteFunc(c.Runners, func(r config.Runner) bool { return r.Name != o.name })
		if len(c.Runners) != 1 {
			return nil, "", nil, fmt.Errorf("%d runners in %s have the name %q: one is needed", len(c.Runners), file, o.name)
		}
		return c, file, warnings, nil
	}
	d, err := keys.draft()
	if err != nil {
		return nil, "", nil, err
	}
	if d.Text("executor") == "" {
		d.SetText("executor", "docker")
	}
	for _, needed := range []struct{ path, flag string }{{"url", "--url"}, {"token", "--token"}, {"docker.image", "--docker-image"}} {
		if d.Text(needed.path) == "" {
			return nil, "", nil, missing("a value for "+needed.path, needed.flag, errMissing)
		}
	}
	dir := filepath.Dir(newConfig(o.file))
	if c, warnings, err = d.Config(dir, os.Getenv); err != nil {
		return nil, "", nil, err
	}
	sum := sha256.Sum256([]byte(c.Runners[0].URL + "\n" + c.Runners[0].Token.Reveal()))
	return c, filepath.Join(dir, "single-"+hex.EncodeToString(sum[:4]), "config.toml"), warnings, nil
}
