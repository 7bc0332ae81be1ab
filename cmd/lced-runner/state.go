package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"lced-runner/internal/config"
)

// state is the directory for the journal and for job logs, which is this process's alone until close.
type state struct {
	dir     string
	lasting bool // it is there for the next process
	close   func()
}

// stateOf is the state directory of the runner with a configuration.
func stateOf(c *config.Config, file string) string {
	return filepath.Join(cmp.Or(c.LCED.StateDir, filepath.Dir(file)), ".lced-runner")
}

// openState makes the directory and locks it: two runners with one system id would remove each other's containers.
func openState(dir string, log *slog.Logger) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tmp, terr := os.MkdirTemp("", "lced-runner")
		if terr != nil {
			return nil, fmt.Errorf("make a directory for job logs: %w, nor in the temporary directory: %w", err, terr)
		}
		log.Warn("jobs end with this process, as what is known of them is kept in a temporary directory; make the configuration's directory writable, or set state_dir in [lced]", "directory", tmp, "error", err)
		return &state{dir: tmp, close: func() { os.RemoveAll(tmp) }}, nil
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of this runner: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another lced-runner already runs with this configuration (%s is locked): stop it first", lock.Name())
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	s := &state{dir: dir, lasting: outlives(dir, string(mounts)), close: func() { lock.Close() }}
	if !s.lasting {
		log.Warn("jobs end with this process, as what is known of them is kept inside of this container, and goes with it; mount the directory of the configuration, or one for state_dir in [lced]", "directory", dir)
	}
	return s, nil
}

// outlives says whether a directory is still there when another container takes the place of this one: it lies on something
// that is mounted, and not in memory. Outside of docker's containers that is no question.
func outlives(dir, mountinfo string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	container, place, kind := false, "", ""
	for line := range strings.Lines(mountinfo) {
		mount, system, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount) // fourth: what is mounted, fifth: where
		if len(fields) < 5 {
			continue
		}
		at := strings.TrimSuffix(fields[4], "/")
		container = container || at == "/etc/hostname" && strings.Contains(fields[3], "containers/")
		if strings.HasPrefix(dir+"/", at+"/") && len(at) >= len(place) {
			place, kind = at, strings.Fields(system + " ?")[0]
		}
	}
	return !container || place != "" && kind != "tmpfs"
}
