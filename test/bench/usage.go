package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// usage is what a process has used.
type usage struct {
	cpu  time.Duration // since its start, in steps of 10 ms
	peak int64         // resident bytes at their most since the last call
}

// usageOf reads the usage of a process and lets its peak begin anew.
func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read the CPU time of the runner: %w", err)
	}
	// The fields after the name, which may hold anything: state is the first, user and system time the 12th and 13th.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var u usage
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read the CPU time of the runner: %w", err)
		}
		u.cpu += time.Duration(ticks) * 10 * time.Millisecond
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
