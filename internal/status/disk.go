package status

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Disk is what the runner keeps on its own disk.
type Disk struct {
	Journal    int    `json:"journal_entries"` // jobs whose ending GitLab does not know yet
	SpoolBytes int64  `json:"spool_bytes"`     // of job logs
	FreeBytes  uint64 `json:"free_bytes"`
}

// look reads the state directory. Files that go meanwhile do not count.
func look(dir string) (Disk, error) {
	var d Disk
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return d, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	d.FreeBytes = fs.Bavail * uint64(fs.Bsize)
	spools, err := os.ReadDir(dir)
	if err != nil {
		return d, fmt.Errorf("look at the job logs: %w", err)
	}
	for _, f := range spools {
		if info, err := f.Info(); err == nil && strings.HasSuffix(f.Name(), ".log") {
			d.SpoolBytes += info.Size()
		}
	}
	entries, err := filepath.Glob(filepath.Join(dir, "journal", "job-*.json"))
	d.Journal = len(entries)
	return d, err
}
