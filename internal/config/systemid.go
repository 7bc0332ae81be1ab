package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"lced-runner/internal/durable"
)

// SystemID is this runner's identity among those with the same token: GitLab shows one runner manager for each, and
// cache volumes are named after it. It is kept in .runner_system_id in dir, the directory of the configuration. One
// that is there and valid stays, gitlab-runner's too, unless it was made on another machine: a board that was flashed with
// the image of one that had run gets an id of its own. By what hardware that is known stands in .runner_hardware, which is
// written when it is missing.
//
// A new one is r_ and 12 random letters. gitlab-runner prefers s_ and a hash of the machine id, but boards flashed from
// one image share that id, and GitLab would take them all for one.
//
// There is always an id. The warning is not nil when it could not be read or saved, so that the next start will have another
// one, and when the machine has turned out to be a copy.
func SystemID(dir string) (id string, warning error) { return systemID(dir, hardware("/")) }

func systemID(dir, here string) (id string, warning error) {
	file, mark := filepath.Join(dir, ".runner_system_id"), filepath.Join(dir, ".runner_hardware")
	data, err := os.ReadFile(file)
	made, _ := os.ReadFile(mark)
	there := strings.TrimSpace(string(made))
	id = strings.TrimSpace(string(data))
	valid := regexp.MustCompile(`^[sr]_[0-9a-zA-Z]{12}$`).MatchString(id)
	copied := differ(there, here)
	if valid && !copied {
		if there == "" && here != "" {
			_ = writeNew(mark, here) // a directory that cannot be written cannot be told from its copies
		}
		return id, nil
	}
	old := id
	id = "r_" + rand.Text()[:12] // upper-case letters and digits, 60 bits
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("reading the system id, so %s is used until the next start: make the file readable: %w", id, err)
	}
	if err := writeNew(file, id); err != nil {
		return id, fmt.Errorf("saving the system id %s, so GitLab will see a new runner manager at the next start: make %s writable: %w", id, dir, err)
	}
	if here != "" {
		_ = writeNew(mark, here)
	}
	if valid {
		return id, fmt.Errorf("this machine is not the one that had the system id %s, but was made from its disk or its configuration: GitLab knows it as %s from now on", old, id)
	}
	return id, nil
}

// writeNew puts a file in place whole or not at all, with its directory, readable by its owner only.
func writeNew(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return durable.Replace(file, []byte(content), 0)
}
