package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lced-runner/internal/config"
	"lced-runner/internal/status"
)

// newStatus is what the running runner says of itself.
func newStatus() *cobra.Command {
	var file, ignored string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell what the running runner does",
		Long: "Tell what the running runner does: its jobs, its runners and why they have no job, what it keeps on the engine, its disk.\n" +
			"It asks the process by a socket in its state directory, so it is for the same user, in a container for `docker exec`. Exits 1 if none runs.",
		Example: "  lced-runner status\n" +
			"  docker compose exec gitlab-runner lced-runner status --json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := ask(cmd.Context(), file)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(report)
			}
			fmt.Fprint(cmd.OutOrStdout(), report.Text(time.Now()))
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file of the runner; without it CONFIG_FILE, then the usual places")
	cmd.Flags().StringVarP(&ignored, "service", "n", "", "accepted for gitlab-runner's sake")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the whole report as JSON")
	return cmd
}

// newHealthCheck is for a container's HEALTHCHECK.
func newHealthCheck() *cobra.Command {
	var file string
	var ready bool
	cmd := &cobra.Command{
		Use:   "health-check",
		Short: "Exit with 0 if the runner of this configuration works",
		Long: "Exit with 0 if the runner of this configuration works: it answers, and none of its requests hangs. That GitLab or the engine is\n" +
			"away is told but is no failure, since a restart of the runner would mend neither; with --ready it is one.",
		Example: "  lced-runner health-check\n" +
			"  lced-runner health-check --ready",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := ask(cmd.Context(), file)
			if err != nil {
				return err
			}
			for _, why := range report.WhyNoJob {
				fmt.Fprintln(cmd.OutOrStdout(), "takes no job now:", why)
			}
			if !report.Alive {
				return errors.New("a request for a job has hung for more than half an hour: restart the runner")
			}
			if ready && !report.Ready {
				return errors.New("the runner is not ready")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s, %d of %d jobs\n", report.Process, len(report.Jobs), report.Concurrent)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file of the runner; without it CONFIG_FILE, then the usual places")
	cmd.Flags().BoolVar(&ready, "ready", false, "fail also where no job can be taken")
	return cmd
}

// ask asks the runner that runs with a configuration.
func ask(ctx context.Context, flag string) (status.Report, error) {
	file, err := findConfig(flag)
	if err != nil {
		return status.Report{}, err
	}
	// A configuration that was broken since does not hide the runner that still works with the old one.
	c, _, err := config.Load(file, os.Getenv)
	if err != nil {
		c = config.Default()
	}
	return status.Ask(ctx, stateOf(c, file))
}

// listeners are where the status is served: the socket in the state directory, and a TCP address if there is one. Without the
// socket jobs run as well, so that is only told.
func (w *watcher) listeners(state, address string) (socket, tcp net.Listener, err error) {
	if socket, err = status.Listen(state); err != nil {
		w.log.Warn("the commands status and health-check will not find this runner", "error", err)
		socket = nil
	}
	if address = withPort(address); address == "" {
		return socket, nil, nil
	}
	if tcp, err = net.Listen("tcp", address); err != nil {
		return nil, nil, fmt.Errorf("serve metrics and health on listen_address %s: %w", address, err)
	}
	w.log.Info("serving metrics, health and status", "listen_address", tcp.Addr().String())
	return socket, tcp, nil
}

// withPort adds gitlab-runner's port to an address without one.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil || address == "" {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), "9252")
}
