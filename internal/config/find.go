package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Find is the path of the configuration file: the flag, else CONFIG_FILE, whether or not there is such a file; else the
// first that exists of config.toml and config.yaml in /etc/gitlab-runner (root and packages),
// /home/gitlab-runner/.gitlab-runner (containers) and home's .gitlab-runner (other users). The error lists where it
// looked.
func Find(flag string, env func(string) string, home string, exists func(string) bool) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if path := env("CONFIG_FILE"); path != "" {
		return path, nil
	}
	dirs := []string{"/etc/gitlab-runner", "/home/gitlab-runner/.gitlab-runner"}
	if home != "" && home != "/home/gitlab-runner" {
		dirs = append(dirs, filepath.Join(home, ".gitlab-runner"))
	}
	for _, dir := range dirs {
		for _, name := range []string{"config.toml", "config.yaml"} {
			if path := filepath.Join(dir, name); exists(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("looking for the configuration: no config.toml or config.yaml in %s: write one there (the README has an example), or name it with --config or CONFIG_FILE", strings.Join(dirs, ", "))
}
