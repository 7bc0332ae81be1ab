// Command lced-runner is a GitLab runner for small boards: one binary, a drop-in for gitlab-runner with the docker
// executor. Its commands are in files of their names; everything that touches the process (signals, environment, exit
// code, the operator's log) is in this package and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

// Set at link time, see the Makefile.
var (
	version  = "dev"
	revision = "HEAD"
)

func main() {
	root := newRoot()
	if err := root.ExecuteContext(context.Background()); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			os.Exit(int(code))
		}
		fmt.Fprintln(os.Stderr, "lced-runner: "+err.Error())
		os.Exit(1)
	}
}

// exitCode ends the process with a code; whatever there was to say has been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// globals are the flags that stand before the command, as gitlab-runner has them.
type globals struct {
	debug     bool
	logLevel  string
	logFormat string
}

func newRoot() *cobra.Command {
	var g globals
	root := &cobra.Command{
		Use:           "lced-runner",
		Short:         "A GitLab runner for small boards, with docker-in-docker that just works",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	// cobra's own --version wants a template, and text/template in the program makes the linker keep every method of every
	// type: the binary would have 7 MB more.
	asked := root.Flags().BoolP("version", "v", false, "print the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if !*asked {
			return cmd.Help()
		}
		fmt.Fprint(cmd.OutOrStdout(), versionText())
		return nil
	}
	flags := root.PersistentFlags()
	debug, _ := strconv.ParseBool(os.Getenv("RUNNER_DEBUG"))
	flags.BoolVar(&g.debug, "debug", debug, "log everything (RUNNER_DEBUG)")
	flags.StringVarP(&g.logLevel, "log-level", "l", os.Getenv("LOG_LEVEL"), "debug, info, warn or error; beats the configuration (LOG_LEVEL)")
	flags.StringVar(&g.logFormat, "log-format", os.Getenv("LOG_FORMAT"), "runner, text or json; beats the configuration (LOG_FORMAT)")
	root.AddCommand(newRun(&g), newRunSingle(&g), newExec(&g), newLint(), newStatus(), newHealthCheck(), newVersion(), newHelper())
	root.AddCommand(newRegister(&g), newVerify(&g), newUnregister(&g), newList(&g), newResetToken(&g), newDoctor(&g))
	root.AddCommand(newServices()...)
	return root
}
