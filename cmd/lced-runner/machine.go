package main

import (
	"os"
	"path/filepath"
	"strings"

	"lced-runner/internal/config"
	"lced-runner/internal/registration"
)

// newMachine is this machine as the commands that change the configuration file need it. The file need not exist.
func newMachine(g *globals, file string) (*registration.Machine, error) {
	c, _, err := config.Load(file, os.Getenv)
	if err != nil {
		c = config.Default() // whoever needs the file says what is wrong with it
	}
	log, _, err := newLogger(os.Stderr, g, c)
	if err != nil {
		return nil, err
	}
	id, warning := config.SystemID(filepath.Dir(file))
	if warning != nil {
		log.Warn("the runner has a new system id", "reason", warning)
	}
	return &registration.Machine{File: file, Env: os.Getenv, SystemID: id, Version: version, Revision: revision, Logger: log}, nil
}

// newConfig is the path of the configuration that is there, else of the one to be made: where gitlab-runner makes it, but
// in a container in the directory that the operator has mounted.
func newConfig(flag string) string {
	if file, err := findConfig(flag); err == nil {
		return file
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	mounted := func(dir string) bool { return strings.Contains(string(mounts), " "+dir+" ") }
	home, err := os.UserHomeDir()
	switch {
	case !mounted("/etc/gitlab-runner") && (mounted("/home/gitlab-runner") || mounted("/home/gitlab-runner/.gitlab-runner")):
		return "/home/gitlab-runner/.gitlab-runner/config.toml"
	case os.Getuid() == 0:
		return "/etc/gitlab-runner/config.toml"
	case err == nil:
		return filepath.Join(home, ".gitlab-runner", "config.toml")
	}
	return "config.toml"
}
