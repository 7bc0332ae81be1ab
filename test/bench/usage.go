package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// usage is what a process has used.
type usage struct {
	cpu  time.Duration // since its start
	peak int64         // resident bytes at their most since the last call
}

// usageOf reads the usage of a process and lets its peak begin anew.
func usageOf(pid int) (usage, error) {
	// The threads' own times, as that of the process has steps of 10 ms: a job takes as much. Threads of Go programs stay.
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var u usage
	for _, thread := range threads {
		var stat []byte
		if stat, err = os.ReadFile(thread); errors.Is(err, fs.ErrNotExist) {
			err = nil
			continue // it has just ended
		} else if err != nil {
			break
		}
		var took time.Duration
		if _, err = fmt.Sscan(string(stat), (*int64)(&took)); err != nil {
			break
		}
		u.cpu += took
	}
	if err != nil || len(threads) == 0 {
		return usage{}, fmt.Errorf("read the CPU time of the runner: %d threads (%w)", len(threads), err)
	}
	if u.peak, err = resident(pid, "VmHWM:"); err != nil {
		return usage{}, err
	}
	return u, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// resident reads VmHWM (peak) or VmRSS (now), in bytes.
func resident(pid int, key string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of the runner: %w", err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("read the memory of the runner: no %s in its status", key)
}
