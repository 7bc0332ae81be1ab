package config

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
)

// hardware is what tells this machine from its copies, or "" where nothing does: where a serial number was found, and a hash of it.
// The numbers of boards and mainboards are not on the disk, so an image that is flashed to many boards does not carry them
// along, and a container sees its host's. root is "/" but for tests.
func hardware(root string) string {
	for _, path := range []string{"proc/cpuinfo", "proc/device-tree/serial-number", "sys/class/dmi/id/product_uuid", "sys/class/dmi/id/board_serial"} {
		data, _ := os.ReadFile(filepath.Join(root, path))
		serial := strings.Trim(strings.TrimSpace(string(data)), "\x00")
		if path == "proc/cpuinfo" { // of a Raspberry Pi and other ARM boards
			serial = serialLine(string(data))
		}
		if !meansNothing(serial) {
			sum := sha256.Sum256([]byte("lced-runner " + serial))
			return path + " " + hex.EncodeToString(sum[:8])
		}
	}
	return ""
}

func serialLine(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "Serial" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// differ tells two machines apart. What was read from different places, as inside of a container and outside, says nothing.
func differ(there, here string) bool {
	thereFrom, _, _ := strings.Cut(there, " ")
	hereFrom, _, _ := strings.Cut(here, " ")
	return there != "" && thereFrom == hereFrom && there != here
}

// meansNothing tells what makers write who give no serial numbers.
func meansNothing(serial string) bool {
	switch strings.ToLower(serial) {
	case "none", "default string", "to be filled by o.e.m.", "not specified", "03000200-0400-0500-0006-000700080009":
		return true
	}
	return strings.Trim(serial, "0-.fF ") == "" || len(serial) < 6
}
