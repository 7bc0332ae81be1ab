package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lced-runner/internal/config"
)

func newLint() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Check the configuration file",
		Long:  "Check the configuration file: every key that is wrong, unknown or without effect is printed with its line. Exits 1 on an error or an unknown key.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := findConfig(file)
			if err != nil {
				return err
			}
			_, warnings, wrong := config.Load(path, os.Getenv)
			bad := 0
			for _, w := range warnings {
				fmt.Fprintln(cmd.OutOrStdout(), w)
				if w.Unknown {
					bad++
				}
			}
			if wrong != nil {
				for line := range strings.Lines(wrong.Error()) {
					fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(line))
					bad++
				}
			}
			if bad > 0 {
				return fmt.Errorf("%s: %d of these have to be mended: errors and unknown keys", path, bad)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "Configuration file is valid.")
			return nil
		},
	}
	configFlag(cmd.Flags(), &file)
	return cmd
}
