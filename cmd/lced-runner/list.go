package main

import (
	"os"

	"github.com/spf13/cobra"

	"lced-runner/internal/config"
)

func newList(g *globals) *cobra.Command {
	var s selectionFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the runners of the configuration",
		Long:    "List the runners of the configuration, with their tokens, on stderr.",
		Example: "  lced-runner list",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			log, _, err := newLogger(os.Stderr, g, config.Default())
			if err != nil {
				return err
			}
			file, err := findConfig(s.file)
			var c *config.Config
			if err == nil {
				c, _, err = config.Load(file, os.Getenv)
			}
			if err != nil { // not a failure, as in gitlab-runner
				log.Warn("The configuration cannot be read", "error", err)
				return nil
			}
			log.Info("Listing configured runners", "ConfigFile", file)
			for _, r := range c.Runners {
				log.Info(r.Name, "Executor", r.Executor, "Token", r.Token.Reveal(), "URL", r.URL)
			}
			return nil
		},
	}
	configFlag(cmd.Flags(), &s.file)
	return cmd
}
