package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Files in TempDir whose names are gitlab-runner's.
const (
	// jobEnvFile (GITLAB_ENV) holds variables that the job's scripts hand on to later stages.
	jobEnvFile = "gitlab_runner_env"
	// maskingFile is gitlab-runner's list of values that a script asked to mask.
	maskingFile = "masking.db"
	// extConfigFile is included by .git/config.
	extConfigFile = ".gitlab-runner.ext.conf"
	// globalConfigFile is what gitlab-runner leaves with FF_GIT_URLS_WITHOUT_TOKENS.
	globalConfigFile = ".glr.gconf"
	templateDir      = "git-template"
)

// prepare is the stage prepare_script.
func (s *stage) prepare(context.Context) error {
	for _, dir := range s.Prepare.ChmodDirs {
		if err := openToAll(dir); err != nil {
			return err
		}
	}
	hostname, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("ask for the container's host name: %w", err)
	}
	fmt.Fprintf(s.out, "Running on %s via %s...\n", hostname, s.Prepare.RunnerHost)
	keep := []string{lockFile}
	for _, file := range s.FileVariables {
		keep = append(keep, file.Name)
	}
	// The earlier job may have had no time to remove what is not for this one.
	return empty(s.TempDir, keep...)
}

// cleanup is the stage cleanup_file_variables: what a job must not leave to the next one.
func (s *stage) cleanup(ctx context.Context) error {
	for _, name := range s.Cleanup.FileVariables {
		if err := checkVariableName(name); err != nil {
			return err
		}
	}
	names := []string{jobEnvFile, maskingFile, extConfigFile, globalConfigFile, templateDir}
	if err := removeFrom(s.TempDir, append(names, s.Cleanup.FileVariables...)...); err != nil {
		return err
	}
	if err := realDir(s.BuildsDir, s.ProjectDir); err != nil {
		return err
	}
	if err := errors.Join(s.cleanWorktree(ctx), removeFrom(s.TempDir, templateDir)); err != nil {
		return err
	}
	return sweepGitDir(filepath.Join(s.ProjectDir, ".git"), s.Cleanup.CleanGitConfig)
}

// writeFileVariables writes the request's file variables. Everybody may change them, as with gitlab-runner: kubectl,
// for one, writes to the file that KUBECONFIG names.
func (s *stage) writeFileVariables() error {
	for _, file := range s.FileVariables {
		if err := checkVariableName(file.Name); err != nil {
			return err
		}
		if err := writeFresh(filepath.Join(s.TempDir, file.Name), file.Content, 0o666); err != nil {
			return fmt.Errorf("file variable %s: %w", file.Name, err)
		}
	}
	return nil
}

// checkVariableName allows the characters that GitLab allows, which also keeps the file inside TempDir.
func checkVariableName(name string) error {
	valid := name != "" && name != jobEnvFile && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if !valid {
		return fmt.Errorf("%w: %q cannot be the name of a file variable; use letters, digits and _", errBadRequest, name)
	}
	return nil
}
