package main

import (
	"errors"

	"github.com/spf13/cobra"

	"lced-runner/internal/registration"
)

func newUnregister(g *globals) *cobra.Command {
	var s selectionFlags
	var tls registration.TLS
	cmd := &cobra.Command{
		Use:   "unregister",
		Short: "Delete runners in GitLab and from the configuration",
		Long: "Delete runners in GitLab and from the configuration.\n" +
			"Of a runner with a glrt- token, which other machines may use too, only this machine is deleted: the runner itself is deleted in GitLab.",
		Example: "  lced-runner unregister --name hall-3\n" +
			"  lced-runner unregister --all-runners",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.selection().Empty() {
				return errors.New("nothing is selected: give --name, --url and --token, or --all-runners")
			}
			m, err := s.machine(g)
			if err != nil {
				return err
			}
			m.TLS = tls
			ctx, stop := interruptible(cmd)
			defer stop()
			return m.Unregister(ctx, s.selection())
		},
	}
	s.define(cmd)
	cmd.Flags().StringVarP(&s.token, "token", "t", "", "token of the runner")
	for name, into := range map[string]*string{"ca": &tls.CAFile, "cert": &tls.CertFile, "key": &tls.KeyFile} {
		cmd.Flags().StringVar(into, "tls-"+name+"-file", "", "with --url and --token of a runner that the configuration does not have: as the key of this name")
	}
	cmd.Flags().BoolVar(&s.all, "all-runners", false, "all runners of the configuration")
	return cmd
}
