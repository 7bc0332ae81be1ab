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
	"syscall"
	"time"

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
	found := readIdentity(dir, here)
	if !found.holds() {
		// run, register and doctor may all be the first, at once.
		defer lockDirectory(dir)()
		found = readIdentity(dir, here)
	}
	if found.holds() {
		if found.hardware == "" && here != "" {
			_ = writeNew(found.mark, here) // a directory that cannot be written cannot be told from its copies
		}
		return found.id, nil
	}
	id = "r_" + rand.Text()[:12] // upper-case letters and digits, 60 bits
	if err := found.err; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("reading the system id, so %s is used until the next start: make the file readable: %w", id, err)
	}
	if err := writeNew(found.file, id); err != nil {
		return id, fmt.Errorf("saving the system id %s, so GitLab will see a new runner manager at the next start: make %s writable: %w", id, dir, err)
	}
	if here != "" {
		_ = writeNew(found.mark, here)
	}
	if found.valid {
		return id, fmt.Errorf("this machine is not the one that had the system id %s, but was made from its disk or its configuration: GitLab knows it as %s from now on", found.id, id)
	}
	return id, nil
}

// identity is what a directory says of the runner that it belongs to.
type identity struct {
	file, mark   string // of the id, and of the hardware
	id, hardware string
	valid        bool  // the id looks like one
	copied       bool  // it is another machine's
	err          error // of reading the id
}

// holds reports whether the id stays.
func (i identity) holds() bool { return i.valid && !i.copied }

func readIdentity(dir, here string) identity {
	i := identity{file: filepath.Join(dir, ".runner_system_id"), mark: filepath.Join(dir, ".runner_hardware")}
	made, _ := os.ReadFile(i.mark) // before the id, behind which it is written: a new mark is never read with an old id
	data, err := os.ReadFile(i.file)
	i.id, i.hardware, i.err = strings.TrimSpace(string(data)), strings.TrimSpace(string(made)), err
	i.valid = regexp.MustCompile(`^[sr]_[0-9a-zA-Z]{12}$`).MatchString(i.id)
	i.copied = differ(i.hardware, here)
	return i
}

// lockPatience is for another process that makes the id, or writes the configuration and has the same lock. One that takes longer
// had its own id before that.
const lockPatience = 10 * time.Second

// lockDirectory makes the directory where it is missing, and keeps others from making the id meanwhile. Where it cannot be locked
// (NFS may refuse that) or is not released in time, nobody is kept.
func lockDirectory(dir string) (release func()) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return func() {} // writing says what is wrong
	}
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for begun := time.Now(); time.Since(begun) < lockPatience; time.Sleep(20 * time.Millisecond) {
		if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
	}
	return func() { d.Close() }
}

// writeNew puts a file in place whole or not at all, with its directory, readable by its owner only.
func writeNew(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return durable.Replace(file, []byte(content), 0)
}
