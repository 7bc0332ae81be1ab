package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"lced-runner/internal/registration"
	"lced-runner/jobapi"
)

func newResetToken(g *globals) *cobra.Command {
	var s selectionFlags
	var personal string
	cmd := &cobra.Command{
		Use:   "reset-token",
		Short: "Give runners a new authentication token",
		Long: "Give runners a new authentication token, and save it in the configuration. The old one ends at once: other machines that use it need the new one too.\n" +
			"With a personal access token it works also if the runner's own token is lost.",
		Example: "  lced-runner reset-token --name hall-3\n" +
			"  lced-runner reset-token --url https://gitlab.example.com --id 42 --pat glpat-…",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.selection().Empty():
				return errors.New("nothing is selected: give --name, --url and --id, or --all-runners")
			case (s.id != 0) != (s.url != ""):
				return errors.New("--url and --id belong together: an id counts for one GitLab only")
			}
			m, err := s.machine(g)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			err = m.ResetTokens(ctx, s.selection(), jobapi.Secret(personal))
			if lost, ok := errors.AsType[*registration.LostTokenError](err); ok {
				fmt.Fprintln(os.Stderr, "new token:", lost.Token.Reveal()) // or nobody would ever know it
			}
			return err
		},
	}
	s.define(cmd)
	cmd.Flags().Int64VarP(&s.id, "id", "i", 0, "id of the runner in GitLab; with --url")
	cmd.Flags().BoolVar(&s.all, "all-runners", false, "all runners of the configuration")
	cmd.Flags().StringVar(&personal, "pat", "", "personal access token with the scope api or manage_runner, used instead of the runner's own token")
	return cmd
}
