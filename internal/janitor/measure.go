package janitor

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// tagged is a reference as the engine lists it: a Docker Hub image by its short name, and with its tag. A reference by
// digest has none.
func tagged(ref string) string {
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "library/")
	if strings.Contains(ref, "@") || strings.LastIndexByte(ref, ':') > strings.LastIndexByte(ref, '/') {
		return ref
	}
	return ref + ":latest"
}

// Disk measures the file system of a path. What is reserved for root counts as used.
func Disk(path string) (Space, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(path, &disk); err != nil {
		return Space{}, fmt.Errorf("look for free space on the disk of %s: %w", path, err)
	}
	size := int64(disk.Bsize)
	used := int64(disk.Blocks-disk.Bfree) * size
	free := int64(disk.Bavail) * size
	return Space{Free: free, Total: used + free}, nil
}

// Memory is what the kernel could give to new processes without swapping, in bytes.
func Memory() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("look for free memory: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("look for free memory: /proc/meminfo does not tell MemAvailable")
}
