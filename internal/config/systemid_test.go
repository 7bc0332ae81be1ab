package config

import (
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
			if files, _ := os.ReadDir(dir); len(files) != 1 {
				t.Errorf("files left over: %v", files)
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
