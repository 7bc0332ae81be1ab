// Runcfront stands before runc on machines whose capability bounding set is
// smaller than the kernel's. An engine asks for every capability that the kernel
// knows when it starts a privileged container; runc cannot give what the machine
// lacks and fails. The front takes the missing ones out of the OCI files that
// runc is about to read (config.json of create, run and restore; the process file
// of exec) and then becomes runc. It changes nothing else, and nothing at all
// where the bounding set is complete.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runcfront:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if file := ociFile(args); file != "" {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return fmt.Errorf("reading the capability bounding set: %w", err)
		}
		bounding, err := boundingSet(string(status))
		if err != nil {
			return err
		}
		if err := dropMissing(file, bounding); err != nil {
			return err
		}
	}
	runc, err := realRunc()
	if err != nil {
		return err
	}
	if err := syscall.Exec(runc, append([]string{runc}, args...), os.Environ()); err != nil {
		return fmt.Errorf("starting %s: %w", runc, err)
	}
	return nil
}

// ociFile says which file runc reads capabilities from for these arguments, or ""
// if it reads none.
func ociFile(args []string) string {
	command, bundle, process := "", ".", ""
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case command == "" && (arg == "create" || arg == "run" || arg == "restore" || arg == "exec"):
			command = arg
		case command == "":
		case name == "--bundle" || name == "-bundle" || name == "-b":
			bundle = value
		case command == "exec" && (name == "--process" || name == "-process" || name == "-p"):
			process = value
		}
	}
	switch command {
	case "":
		return ""
	case "exec":
		return process
	default:
		return filepath.Join(bundle, "config.json")
	}
}

// boundingSet reads the CapBnd line of a /proc/<pid>/status.
func boundingSet(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			return strconv.ParseUint(strings.TrimSpace(rest), 16, 64)
		}
	}
	return 0, errors.New("/proc/self/status has no CapBnd line")
}

// dropMissing rewrites file without the capabilities outside the bounding set. The
// file is a bundle's config.json (capabilities below "process") or a process file.
func dropMissing(file string, bounding uint64) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the OCI file: %w", err)
	}
	// Raw messages keep every field that this program does not know.
	var document map[string]json.RawMessage
	if err := json.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	process := document
	_, nested := document["process"]
	if nested {
		process = nil
		if err := json.Unmarshal(document["process"], &process); err != nil {
			return fmt.Errorf("reading process of %s: %w", file, err)
		}
	}
	var sets map[string][]string
	if process["capabilities"] == nil {
		return nil
	}
	if err := json.Unmarshal(process["capabilities"], &sets); err != nil {
		return fmt.Errorf("reading capabilities of %s: %w", file, err)
	}
	if !prune(sets, bounding) {
		return nil
	}
	if process["capabilities"], err = json.Marshal(sets); err != nil {
		return err
	}
	if nested {
		if document["process"], err = json.Marshal(process); err != nil {
			return err
		}
	}
	if text, err = json.Marshal(document); err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("writing the OCI file: %w", err)
	}
	return nil
}

// prune removes the capabilities outside the bounding set and says whether there
// were any. A name it does not know stays: runc decides about that.
func prune(sets map[string][]string, bounding uint64) bool {
	changed := false
	for set, have := range sets {
		kept := []string{}
		for _, name := range have {
			bit, known := capabilityBit(name)
			if known && bounding&(1<<bit) == 0 {
				changed = true
				continue
			}
			kept = append(kept, name)
		}
		sets[set] = kept
	}
	return changed
}

// capabilityBit gives a capability's number in linux/capability.h.
func capabilityBit(name string) (uint, bool) {
	names := [...]string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
		"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
		"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
		"CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
		"CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
		"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
		"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
		"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
		"CAP_CHECKPOINT_RESTORE",
	}
	for bit, known := range names {
		if known == name {
			return uint(bit), true
		}
	}
	return 0, false
}

// realRunc finds the first runc on PATH that is not this program.
func realRunc() (string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("finding this program's own file: %w", err)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		file := filepath.Join(dir, "runc")
		info, err := os.Stat(file)
		if err == nil && info.Mode()&0o111 != 0 && !os.SameFile(self, info) {
			return file, nil
		}
	}
	return "", errors.New("no runc on PATH besides this front: install runc")
}
