package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lced-runner/internal/config"
	"lced-runner/internal/runner"
	"lced-runner/internal/status"
)

// newRun is the daemon. It takes the flags with which gitlab-runner's images and service units start theirs.
func newRun(g *globals) *cobra.Command {
	var file, directory, listen, ignored string
	var syslog bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Take jobs from GitLab and run them",
		Example: "  lced-runner run\n" +
			"  lced-runner run --config /etc/gitlab-runner/config.toml",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if directory != "" {
				if err := os.Chdir(directory); err != nil {
					return fmt.Errorf("change to the working directory: %w", err)
				}
			}
			return run(cmd.Context(), g, file, listen)
		},
	}
	flags := cmd.Flags()
	configFlag(flags, &file)
	flags.StringVarP(&directory, "working-directory", "d", "", "directory to change to")
	flags.StringVar(&listen, "listen-address", os.Getenv("LISTEN_ADDRESS"), "where to serve metrics, health and status, host:port; beats the configuration (LISTEN_ADDRESS)")
	flags.StringVarP(&ignored, "user", "u", "", "accepted for gitlab-runner's sake; jobs run in containers")
	flags.StringVarP(&ignored, "service", "n", "", "accepted for gitlab-runner's sake")
	flags.BoolVar(&syslog, "syslog", false, "accepted for gitlab-runner's sake; the log goes to stderr")
	return cmd
}

func run(ctx context.Context, g *globals, flag, listen string) error {
	w, err := load(ctx, g, flag)
	if err != nil {
		return err
	}
	return w.serve(ctx, serving{listen: cmp.Or(listen, w.current.ListenAddress), leave: w.current.LCED.Shutdown != "abort"})
}

// serving is in what run and run-single differ.
type serving struct {
	listen string        // address of metrics, health and status; empty: none
	leave  bool          // SIGTERM leaves the running jobs to the next process
	also   []os.Signal   // that end the process like SIGTERM
	fixed  bool          // the configuration is not read again, nor written
	ration runner.Ration // after which it ends by itself
}

// serve takes jobs with the configuration that was read, until a signal or the ration ends it.
func (w *watcher) serve(ctx context.Context, how serving) error {
	saveMemory(w.log)
	c, log, dir := w.current, w.log, filepath.Dir(w.file)
	id, warning := config.SystemID(dir)
	if warning != nil {
		log.Warn("the runner has a new system id", "reason", warning)
	}
	state, err := openState(stateOf(c, w.file), log)
	if err != nil {
		return err
	}
	defer state.close()
	poll, stay, jobs, stop := lifetimes(ctx, stopping{leave: how.leave && state.lasting, timeout: c.ShutdownTimeout, also: how.also, log: log})
	defer stop()
	o, err := runnerOptions(c, id, state.dir, log)
	if err != nil {
		return err
	}
	if o.Ration = how.ration; !how.fixed {
		o.ConfigFile = w.file
	}
	w.board = status.New(status.Options{
		Version: version, Revision: revision, SystemID: id, ConfigFile: w.file, StateDir: state.dir, LogLines: w.output.lines,
	})
	o.Status = w.board
	log.Info("starting", "version", version, "config", w.file, "state", state.dir, "system_id", id)
	r, err := runner.New(poll, o)
	if err != nil {
		return err
	}
	socket, tcp, err := w.listeners(state.dir, how.listen)
	if err != nil {
		return err
	}
	changes := make(chan *config.Config)
	w.host, w.changes = o.Host, changes
	// Both end with the runner, not with its polling: a drain is when people look.
	beside, end := context.WithCancelCause(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	if !how.fixed {
		wg.Go(func() { w.watch(beside) })
	}
	wg.Go(func() {
		if err := status.Serve(beside, w.board, r.Kept, socket, tcp); err != nil {
			log.Warn("the status could not be served", "error", err)
		}
	})
	defer wg.Wait()
	defer end(nil)
	if err := r.Run(poll, stay, jobs, changes); err != nil && poll.Err() == nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// configFlag is --config, the same for all commands that have it.
func configFlag(flags *pflag.FlagSet, file *string) {
	flags.StringVarP(file, "config", "c", "", "configuration file; without it CONFIG_FILE, then the usual places")
}

// findConfig is the path of the configuration that the flag, the environment or the usual places name.
func findConfig(flag string) (string, error) {
	home, _ := os.UserHomeDir()
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	return config.Find(flag, os.Getenv, home, exists)
}

// nameRunners gives the host's name to runners without one.
func nameRunners(c *config.Config, host string) {
	for i := range c.Runners {
		if c.Runners[i].Name == "" {
			c.Runners[i].Name = host
		}
	}
}

// runnerOptions collects what the runner wants to know of its process.
func runnerOptions(c *config.Config, id, state string, log *slog.Logger) (runner.Options, error) {
	host, err := os.Hostname()
	if err != nil {
		return runner.Options{}, fmt.Errorf("read the host name: %w", err)
	}
	nameRunners(c, host)
	// Neither has to exist: a machine without containers, a user without docker logins.
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	home, _ := os.UserHomeDir()
	return runner.Options{
		Config: c, SystemID: id, BootID: strings.TrimSpace(string(boot)), StateDir: state, Version: version, Revision: revision, Host: host,
		MountInfo: string(mounts), Env: os.Getenv, Logger: log,
		DockerAuth: func() []byte {
			auth, _ := os.ReadFile(filepath.Join(home, ".docker", "config.json"))
			return auth
		},
	}, nil
}
