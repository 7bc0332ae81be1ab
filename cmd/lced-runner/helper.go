package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"lced-runner/internal/helper"
)

// newHelper is what the runner calls inside containers of its own image; nothing of it is for users.
func newHelper() *cobra.Command {
	cmd := &cobra.Command{Use: "helper", Hidden: true, Short: "Run inside the runner's own containers"}
	cmd.AddCommand(
		&cobra.Command{Use: "idle", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			children := make(chan os.Signal, 1)
			signal.Notify(children, syscall.SIGCHLD)
			return code(helper.Idle(ctx, children))
		}},
		&cobra.Command{Use: "stage", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			slog.SetDefault(slog.New(slog.DiscardHandler)) // what goes to stderr here is the job's log
			return code(helper.Stage(ctx, os.Stdin, os.Stdout, os.Stderr, os.Environ()))
		}},
		&cobra.Command{Use: "standby", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			slog.SetDefault(slog.New(slog.DiscardHandler))
			return code(helper.StandBy(cmd.Context(), os.Stdin, os.Stdout, os.Stderr))
		}},
		&cobra.Command{Use: "probe TIMEOUT TARGETS", Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
			timeout, err := time.ParseDuration(args[0])
			if err != nil {
				return fmt.Errorf("read the timeout: %w", err)
			}
			return helper.Probe(cmd.Context(), timeout, args[1], os.Stdout)
		}},
		&cobra.Command{Use: "facts", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return printFacts() }},
		&cobra.Command{Use: "size PATH", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			return helper.Size(args[0], os.Stdout)
		}},
		&cobra.Command{Use: "look [NAME...]", RunE: func(cmd *cobra.Command, names []string) error { return helper.Look(cmd.Context(), names, os.Stdout) }},
		&cobra.Command{Use: "remove PATH", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			if err := os.Remove(args[0]); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("remove a stale socket: %w", err)
			}
			return nil
		}},
	)
	return cmd
}

func printFacts() error {
	routes, err := os.Open("/proc/net/route")
	if err != nil {
		return fmt.Errorf("read the routes: %w", err)
	}
	defer routes.Close()
	resolv, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return fmt.Errorf("read the resolvers: %w", err)
	}
	defer resolv.Close()
	return helper.Facts(routes, resolv, helper.InterfaceMTU, os.Stdout)
}

// code turns an exit code into the error that main ends with.
func code(n int) error {
	if n == 0 {
		return nil
	}
	return exitCode(n)
}
