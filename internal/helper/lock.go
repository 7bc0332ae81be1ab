package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPoll is how often a stage asks for the lock of a predecessor that still runs; flock itself cannot be cancelled.
const lockPoll = 100 * time.Millisecond

// lockFile is the stage lock's, in TempDir.
const lockFile = ".lced-runner.lock"

// lockStage waits until no other stage works on the project. The commands of a stage inherit its lock, so a stage that
// was killed holds it until the last of its commands is gone.
func lockStage(ctx context.Context, tempDir string, out io.Writer) (*os.File, error) {
	path := filepath.Join(tempDir, lockFile)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("remove what stands in place of the stage lock: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the stage lock: %w", err)
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for said := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !said {
			notice(out, "Waiting for an earlier stage in this directory to end...")
			said = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the stage lock: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// unlockStage frees the lock also where a process that a hook put into the background has inherited it.
func unlockStage(lock *os.File) {
	syscall.Flock(int(lock.Fd()), syscall.LOCK_UN)
	lock.Close()
}
