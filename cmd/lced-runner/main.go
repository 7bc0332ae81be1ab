// Command lced-runner is a GitLab runner for small boards: one binary, a drop-in for gitlab-runner with the docker
// executor. Its commands are in files of their names; everything that touches the process (signals, environment, exit
// code, the operator's log) is in this package and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"

	"github.com/spf13/cobra"
)

// Set at link time, see the Makefile.
var (
	version  = "dev"
	revision = "HEAD"
)

func main() {
	var g globals
	err := newRoot(&g).ExecuteContext(context.Background())
	g.endProfile()
	if err != nil {
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

	cpuProfile string   // where to write a profile of this process
	profile    *os.File // where it is being written
}

// beginProfile starts to write the profile, if there is to be one. A running runner gives profiles by its socket as well.
func (g *globals) beginProfile() (err error) {
	if g.cpuProfile == "" {
		return nil
	}
	if g.profile, err = os.Create(g.cpuProfile); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	return pprof.StartCPUProfile(g.profile)
}

func (g *globals) endProfile() {
	if g.profile != nil {
		pprof.StopCPUProfile()
		g.profile.Close()
	}
}

func newRoot(g *globals) *cobra.Command {
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
	flags.StringVar(&g.cpuProfile, "cpuprofile", os.Getenv("CPU_PROFILE"), "file for a profile of the processor's use (CPU_PROFILE)")
	offer(root, "log-level", "debug", "info", "warn", "error")
	offer(root, "log-format", forms()...)
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return g.beginProfile() }
	root.AddCommand(newRun(g), newRunSingle(g), newExec(g), newLint(), newStatus(), newHealthCheck(), newVersion(), newHelper())
	root.AddCommand(newRegister(g), newVerify(g), newUnregister(g), newList(g), newResetToken(g), newDoctor(g))
	root.AddCommand(newServices()...)
	return root
}
