package helper

import (
	"context"
	"os"
	"syscall"
)

// Idle is what the helper container's first process does: it collects processes whose parent has died, each time that
// childExits (SIGCHLD) says so, until ctx ends. It returns the exit code.
func Idle(ctx context.Context, childExits <-chan os.Signal) int {
	for {
		reap()
		select {
		case <-ctx.Done():
			return 0
		case <-childExits:
		}
	}
}

// reap collects all children that have ended: one SIGCHLD may stand for several.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
	}
}
