package main

import "github.com/spf13/cobra"

func newVerify(g *globals) *cobra.Command {
	var s selectionFlags
	var remove bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Ask GitLab whether it knows the runners of the configuration",
		Long:  "Ask GitLab whether it knows the runners of the configuration, or those that are selected. Exits with 1 if it does not know one, or cannot be asked.",
		Example: "  lced-runner verify\n" +
			"  lced-runner verify --delete   # takes those out of the configuration that GitLab does not know any more",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := s.machine(g)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return m.Verify(ctx, s.selection(), remove)
		},
	}
	s.define(cmd)
	cmd.Flags().StringVarP(&s.token, "token", "t", "", "token of the runner")
	cmd.Flags().BoolVar(&remove, "delete", false, "take runners out of the configuration whose token GitLab refuses")
	return cmd
}
