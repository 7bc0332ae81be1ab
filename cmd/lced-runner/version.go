package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// versionText has the lines of gitlab-runner's, which scripts search for "Version:".
func versionText() string {
	return fmt.Sprintf("Version:      %s\nGit revision: %s\nGO version:   %s\nOS/Arch:      %s/%s\n",
		version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprint(cmd.OutOrStdout(), versionText()) },
	}
}
