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
)

// SystemID is this runner's identity among those with the same token: GitLab shows one runner manager for each, and
// cache volumes are named after it. It is kept in .runner_system_id in dir, the directory of the configuration. One
// that is there and valid stays, gitlab-runner's too.
//
// A new one is r_ and 12 random letters. gitlab-runner prefers s_ and a hash of the machine id, but boards flashed from
// one image share that id, and GitLab would take them all for one.
//
// There is always an id. The warning is not nil when it could not be read or saved, so that the next start will have another one.
func SystemID(dir string) (id string, warning error) {
	file := filepath.Join(dir, ".runner_system_id")
	data, err := os.ReadFile(file)
	if id = strings.TrimSpace(string(data)); regexp.MustCompile(`^[sr]_[0-9a-zA-Z]{12}$`).MatchString(id) {
		return id, nil
	}
	id = "r_" + rand.Text()[:12] // upper-case letters and digits, 60 bits
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("reading the system id, so %s is used until the next start: make the file readable: %w", id, err)
	}
	if err := writeNew(file, id); err != nil {
		return id, fmt.Errorf("saving the system id %s, so GitLab will see a new runner manager at the next start: make %s writable: %w", id, dir, err)
	}
	return id, nil
}

// writeNew puts a file in place whole or not at all, readable by its owner only.
func writeNew(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
