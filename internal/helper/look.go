package helper

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Sight is what a container sees of the host that it runs on, for the doctor. What cannot be seen is zero.
type Sight struct {
	Privileged      bool              `json:"privileged"`       // it may mount
	MemoryAvailable int64             `json:"memory_available"` // bytes
	DiskSize        int64             `json:"disk_size"`        // bytes, of the file system at /seen
	DiskFree        int64             `json:"disk_free"`
	InodesFree      int64             `json:"inodes_free"`
	Inodes          int64             `json:"inodes"`         // 0: the file system has no limit
	Emulated        []string          `json:"emulated"`       // handlers of foreign architectures (binfmt_misc), by name
	Overlay         bool              `json:"overlay"`        // the kernel has this file system
	NFTables        bool              `json:"nf_tables"`      // the kernel has this back end of iptables, and
	UsedNFTables    []string          `json:"used_nf_tables"` // these tables of it, in this network namespace
	Legacy          bool              `json:"legacy"`         // it has the older back end, and
	UsedLegacy      []string          `json:"used_legacy"`    // these tables of it
	Unresolved      map[string]string `json:"unresolved"`     // names that were asked for, with what is wrong
	Resolved        map[string]string `json:"resolved"`       // names that were asked for, with an address
}

// lookupTime bounds the search for one name.
const lookupTime = 10 * time.Second

// Look prints a Sight as JSON: of the host below /seen, and of names from where this process runs.
func Look(ctx context.Context, names []string, out io.Writer) error {
	s := Sight{Unresolved: map[string]string{}, Resolved: map[string]string{}}
	if len(names) == 0 {
		s.host("/seen")
	}
	for _, name := range names {
		limited, cancel := context.WithTimeoutCause(ctx, lookupTime, fmt.Errorf("no answer within %s", lookupTime))
		addresses, err := net.DefaultResolver.LookupHost(limited, name)
		cancel()
		if err != nil {
			s.Unresolved[name] = err.Error()
		} else {
			s.Resolved[name] = addresses[0]
		}
	}
	if err := json.NewEncoder(out).Encode(s); err != nil {
		return fmt.Errorf("print what is seen: %w", err)
	}
	return nil
}

// host looks at memory, disk and kernel.
func (s *Sight) host(disk string) {
	var space syscall.Statfs_t
	if syscall.Statfs(disk, &space) == nil {
		s.DiskSize, s.DiskFree = int64(space.Blocks)*int64(space.Bsize), int64(space.Bavail)*int64(space.Bsize)
		s.Inodes, s.InodesFree = int64(space.Files), int64(space.Ffree)
	}
	for line := range strings.Lines(text("/proc/meminfo")) {
		var kibibytes int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kibibytes); err == nil {
			s.MemoryAvailable = kibibytes << 10
		}
	}
	s.UsedNFTables, s.NFTables = nftTables()
	legacy, err := os.ReadFile("/proc/net/ip_tables_names")
	s.UsedLegacy, s.Legacy = strings.Fields(string(legacy)), err == nil
	s.Overlay = slices.Contains(strings.Fields(text("/proc/filesystems")), "overlay")
	const binfmt = "/proc/sys/fs/binfmt_misc"
	if syscall.Mount("binfmt_misc", binfmt, "binfmt_misc", syscall.MS_RDONLY, "") == nil {
		s.Privileged = true
		defer func() { _ = syscall.Unmount(binfmt, syscall.MNT_DETACH) }()
	}
	handlers, _ := filepath.Glob(binfmt + "/*")
	for _, handler := range handlers {
		if strings.HasPrefix(text(handler), "enabled") && filepath.Base(handler) != "status" {
			s.Emulated = append(s.Emulated, filepath.Base(handler))
		}
	}
	slices.Sort(s.Emulated)
}

// text is a file's, empty if it cannot be read.
func text(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}
