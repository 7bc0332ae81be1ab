package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// heapGrowth is by how many percent the heap grows until it is collected. What lives in it is some three megabytes, so that a
	// collection costs a millisecond or two, and Go's own 100 a megabyte of a small board's memory. GOGC beats it.
	heapGrowth = 50
	// heapShare is the part of the memory that the process' cgroup allows which Go may use before it collects more often; the rest is
	// for pages of the binary and for files. GOMEMLIMIT beats it.
	heapShare = 0.8
	// leastHeap is what Go may use however small the cgroup is, in bytes: with less it would do nothing but collect.
	leastHeap = 16 << 20
)

// saveMemory sets how much memory the process uses before it collects what is of no use any more.
func saveMemory(log *slog.Logger) {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(heapGrowth)
	}
	switch limit, err := memlimit.Set(memlimit.WithRatio(heapShare), memlimit.WithMin(leastHeap)); {
	case err != nil:
		log.Debug("the memory limit of the cgroup is unknown", "error", err)
	case limit < math.MaxInt64:
		log.Debug("Go collects more often near its share of the cgroup's memory", "limit", limit)
	}
}
