package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lced-runner/internal/config"
)

// TestStopTimes: a runner that leaves its jobs is faster than the 5 s that are promised, and that docker's 10 s; one that ends
// them by the default shutdown_timeout is faster than the systemd unit allows.
func TestStopTimes(t *testing.T) {
	t.Parallel()
	if leaveTime >= 5*time.Second {
		t.Errorf("leaving the jobs may take %v", leaveTime)
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "deploy", "lced-runner.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"KillSignal=SIGTERM", "KillMode=mixed"} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("the systemd unit lacks %s", line)
		}
	}
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindSubmatch(unit)
	if m == nil {
		t.Fatal("the systemd unit has no TimeoutStopSec in seconds")
	}
	patience, err := time.ParseDuration(string(m[1]) + "s")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Parse([]byte(""), "config.toml", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if longest := c.ShutdownTimeout + stopGrace; longest >= patience {
		t.Errorf("the systemd unit kills after %v, and the runner may take %v", patience, longest)
	}
}
