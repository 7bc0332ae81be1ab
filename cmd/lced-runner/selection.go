package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"lced-runner/internal/registration"
	"lced-runner/jobapi"
)

// selectionFlags are the flags by which commands choose runners of the configuration. As in gitlab-runner they have no
// variables of the environment: those of a registration must not choose what is to be deleted.
type selectionFlags struct {
	file, name, url, token string
	id                     int64
	all                    bool
}

func (s *selectionFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	configFlag(flags, &s.file)
	flags.StringVarP(&s.name, "name", "n", "", "name of the runner")
	flags.StringVarP(&s.url, "url", "u", "", "url of the runner's GitLab")
}

func (s *selectionFlags) selection() registration.Selection {
	return registration.Selection{Name: s.name, URL: s.url, Token: jobapi.Secret(s.token), ID: s.id, All: s.all}
}

// machine is this machine with the configuration that is there.
func (s *selectionFlags) machine(g *globals) (*registration.Machine, error) {
	file, err := findConfig(s.file)
	if err != nil {
		return nil, err
	}
	return newMachine(g, file)
}

// interruptible ends with the signals that end a command, but lets it finish what must not be torn: a new token is in GitLab
// and not yet in the file.
func interruptible(cmd *cobra.Command) (ctx context.Context, stop func()) {
	return signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
}
