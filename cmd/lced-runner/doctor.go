package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lced-runner/internal/config"
	"lced-runner/internal/doctor"
)

func newDoctor(g *globals) *cobra.Command {
	var file string
	var asJSON, noJob bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps the runner from working, and how to mend it",
		Long: "Find out what keeps the runner from working, and how to mend it: the configuration, GitLab with this token, the engine, its host and its network,\n" +
			"the registry with these logins, and a job with a docker daemon of its own. Exits with 1 if anything fails.",
		Example: "  lced-runner doctor\n" +
			"  docker exec RUNNER lced-runner doctor --json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := doctorOptions(g, file)
			if err != nil {
				return err
			}
			o.Job = !noJob
			ctx, stop := interruptible(cmd)
			defer stop()
			findings := []doctor.Finding{}
			failed := false
			o.Report = func(f doctor.Finding) {
				findings, failed = append(findings, f), failed || f.Level == doctor.Fail
				if !asJSON {
					printFinding(cmd.OutOrStdout(), f)
				}
			}
			doctor.Examine(ctx, o)
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				out.SetEscapeHTML(false)
				if err := out.Encode(map[string]any{"ok": !failed, "findings": findings}); err != nil {
					return fmt.Errorf("print the findings: %w", err)
				}
			}
			if failed {
				return exitCode(1)
			}
			return nil
		},
	}
	configFlag(cmd.Flags(), &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one object of JSON")
	cmd.Flags().BoolVar(&noJob, "no-job", false, "do not run a job with a docker daemon of its own")
	return cmd
}

// doctorOptions has the doctor look also where there is no configuration, or none that can be read.
func doctorOptions(g *globals, flag string) (doctor.Options, error) {
	var o doctor.Options
	file, err := findConfig(flag)
	c := config.Default()
	if err == nil {
		var loaded *config.Config
		if loaded, o.Warnings, err = config.Load(file, os.Getenv); err == nil {
			c = loaded
		}
	}
	o.Broken = err
	log := slog.New(slog.DiscardHandler) // the findings say it
	if g.debug {
		if log, _, err = newLogger(os.Stderr, g, c); err != nil {
			return o, err
		}
	}
	id := "unknown"
	if file != "" {
		id, _ = config.SystemID(filepath.Dir(file))
	}
	if o.Options, err = runnerOptions(c, id, "", log); err != nil {
		return o, err
	}
	o.ConfigFile = file
	o.NewOwner = func() string { return "r_" + rand.Text()[:12] }
	o.TempDir = func() (string, func(), error) {
		dir, err := os.MkdirTemp("", "lced-runner-doctor")
		if err != nil {
			return "", nil, fmt.Errorf("make a directory for the job's log: %w", err)
		}
		return dir, func() { os.RemoveAll(dir) }, nil
	}
	return o, nil
}

// printFinding writes a line for a finding, and one for what to do.
func printFinding(w io.Writer, f doctor.Finding) {
	check := f.Check
	if f.Runner != "" {
		check = f.Runner + ": " + check
	}
	fmt.Fprintf(w, "%-4s  %-22s  %s\n", f.Level, check, f.Text)
	if f.Remedy != "" {
		fmt.Fprintf(w, "%-4s  %-22s  -> %s\n", "", "", f.Remedy)
	}
}
