package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// git runs git in a directory and returns its output without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	command := gitCommand(ctx, dir, args...)
	return output(command)
}

// gitCommand keeps git to the given directory: inside a git hook the environment would name another repository.
func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = dir
	for _, variable := range command.Environ() {
		if !strings.HasPrefix(variable, "GIT_") || strings.HasPrefix(variable, "GIT_CONFIG") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	return command
}

// output runs a command; its error holds what git had to say.
func output(command *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return "", fmt.Errorf("%s: %w", said, err)
		}
		return "", fmt.Errorf("git %s: %w", strings.Join(command.Args[1:], " "), err)
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}
