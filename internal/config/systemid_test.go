package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestSystemIDStays(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"s_0123456789ab", "  r_AbCdEf012345\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".runner_system_id"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, warning := SystemID(dir); id != strings.TrimSpace(content) || warning != nil {
			t.Errorf("SystemID = %q, %v; want that of the file, %q", id, warning, content)
		}
	}
}

func TestSystemIDIsMadeAndKept(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"no directory": "", "damaged": "s_short", "empty": " "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new")
			file := filepath.Join(dir, ".runner_system_id")
			if content != "" {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			first, warning := SystemID(dir)
			if warning != nil || !regexp.MustCompile(`^r_[0-9A-Za-z]{12}$`).MatchString(first) {
				t.Fatalf("SystemID = %q, %v; want a new r_ id", first, warning)
			}
			if second, _ := SystemID(dir); second != first {
				t.Errorf("the second start has %q, the first had %q", second, first)
			}
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
			}
			if files, _ := filepath.Glob(filepath.Join(dir, ".runner_system_id?*")); len(files) > 0 {
				t.Errorf("files left over: %v", files)
			}
		})
	}
}

// TestSystemIDOfManyAtOnce: whoever comes first makes it for all, on an empty directory as on a copied disk.
func TestSystemIDOfManyAtOnce(t *testing.T) {
	t.Parallel()
	for name, hardware := range map[string]string{"new": "", "copied": "proc/cpuinfo 1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new")
			if hardware != "" {
				if id, warning := systemID(dir, hardware); id == "" || warning != nil {
					t.Fatal(id, warning)
				}
			}
			ids := make(chan string)
			for range 20 {
				go func() {
					id, _ := systemID(dir, "proc/cpuinfo 2")
					ids <- id
				}()
			}
			seen := map[string]bool{}
			for range 20 {
				seen[<-ids] = true
			}
			kept, err := os.ReadFile(filepath.Join(dir, ".runner_system_id"))
			if len(seen) != 1 || !seen[string(kept)] || err != nil {
				t.Errorf("ids %v, kept is %s, %v", seen, kept, err)
			}
		})
	}
}

func TestSystemIDWithoutAPlace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first, warning := SystemID(file) // a file where the directory should be
	if !strings.HasPrefix(first, "r_") || warning == nil || !strings.Contains(warning.Error(), first) {
		t.Errorf("SystemID = %q, %v; want an id and a warning that names it", first, warning)
	}
	if second, _ := SystemID(file); second == first {
		t.Error("two ids that were not saved are the same")
	}
}

// TestSystemIDOfACopy flashes the disk of one board to another one.
func TestSystemIDOfACopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, ".runner_system_id")
	if err := os.WriteFile(file, []byte("s_0123456789ab"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what, hardware string
		same, warned   bool
	}{
		{"gitlab-runner's id, the first start here", "proc/cpuinfo 1", true, false},
		{"the second", "proc/cpuinfo 1", true, false},
		{"a start that cannot see the hardware", "", true, false},
		{"a start from inside a container", "sys/class/dmi/id/product_uuid 3", true, false},
		{"the copy", "proc/cpuinfo 2", false, true},
		{"the copy's second", "proc/cpuinfo 2", true, false},
	} {
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		id, warning := systemID(dir, step.hardware)
		if (id == string(before)) != step.same || (warning != nil) != step.warned {
			t.Errorf("%s: %s after %s, %v", step.what, id, before, warning)
		}
	}
}

func TestHardware(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, files := range map[string]map[string]string{
		"pi":            {"proc/cpuinfo": "processor : 0\nHardware\t: BCM2835\nSerial\t\t: 10000000abcdef01\n"},
		"another pi":    {"proc/cpuinfo": "Serial\t\t: 10000000abcdef02\n"},
		"device tree":   {"proc/cpuinfo": "Serial : 0000000000000000\n", "proc/device-tree/serial-number": "1423219\x00"},
		"mainboard":     {"sys/class/dmi/id/product_uuid": "4c4c4544-0042-3510-8052-b4c04f4e4d32\n"},
		"board serial":  {"sys/class/dmi/id/product_uuid": "03000200-0400-0500-0006-000700080009\n", "sys/class/dmi/id/board_serial": "/7RB4D3/CNWS20\n"},
		"without":       {},
		"says nothing":  {"sys/class/dmi/id/board_serial": "Default string\n"},
		"another maker": {"sys/class/dmi/id/board_serial": "0\n"},
	} {
		root := t.TempDir()
		for path, text := range files {
			path = filepath.Join(root, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		seen[name] = hardware(root)
	}
	byValue := map[string]string{}
	for name, got := range seen {
		if nothing := name == "without" || name == "says nothing" || name == "another maker"; nothing != (got == "") {
			t.Errorf("%s: %q", name, got)
		}
		if other, twice := byValue[got]; twice && got != "" {
			t.Errorf("%s and %s look the same", name, other)
		}
		byValue[got] = name
	}
}
