package helper

import (
	"context"
	"os"
	"syscall"
)

// Idle is what the helper container's first process does: it collects processes whose parent has died, each time that
// childExits (SIGCHLD) says so, until ctx ends. It returns the exit code. Nothing in the container can change the process, which
// serves more than one job.
func Idle(ctx context.Context, childExits <-chan os.Signal) int {
	undumpable()
	for {
		reap()
		select {
		case <-ctx.Done():
			return 0
		case <-childExits:
		}
	}
}

// undumpable forbids every process without CAP_SYS_PTRACE, which containers do not have, to trace this one or to write to its
// memory (ptrace(2)).
func undumpable() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
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
