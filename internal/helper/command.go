package helper

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// commands runs the programs of one stage.
type commands struct {
	out, errw io.Writer
	env       []string
	// lock is inherited by every command (see lockStage).
	lock *os.File
}

// run runs a program in dir ("" is the current directory) with nothing on stdin. Its failure is an *exec.ExitError
// inside the error.
func (c commands) run(ctx context.Context, dir, name string, args ...string) error {
	return c.start(ctx, dir, nil, name, args...)
}

// git runs git, for whose failure it has already told the user the reason on stderr.
func (c commands) git(ctx context.Context, dir string, args ...string) error {
	return c.run(ctx, dir, "git", args...)
}

// output is git with its stdout returned instead of logged.
func (c commands) output(ctx context.Context, dir string, args ...string) (string, error) {
	var text strings.Builder
	c.out = &text
	err := c.git(ctx, dir, args...)
	return text.String(), err
}

// silent is git whose output interests nobody.
func (c commands) silent(ctx context.Context, dir string, args ...string) error {
	c.out, c.errw = nil, nil
	return c.git(ctx, dir, args...)
}

// script gives a shell script to bash, or to sh where there is no bash.
func (c commands) script(ctx context.Context, dir, text string) error {
	shell := "bash"
	if _, err := exec.LookPath(shell); err != nil {
		shell = "sh"
	}
	return c.start(ctx, dir, strings.NewReader(text), shell)
}

func (c commands) start(ctx context.Context, dir string, stdin io.Reader, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, c.env, stdin, c.out, c.errw
	cmd.ExtraFiles = []*os.File{c.lock}
	// A group of its own, so that what the program started ends with it: a helper container outlives its stages.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	// A process that left the group may keep a pipe open for ever; a busy board may take seconds to empty one.
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		killGroup(cmd)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("run %s: %w", name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("run %s %s: %w", name, strings.Join(args[:min(1, len(args))], " "), err)
	}
	return nil
}

func killGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
