package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// jumpingBinary builds the runner once with a wall clock that jumps: seconds from the file $LCED_TEST_CLOCK are added to
// time.Now, as an NTP client does it to a board. A static binary takes no other clock, and the machine's is everybody's.
func jumpingBinary(t *testing.T) string {
	t.Helper()
	path, err := buildJumping()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildJumping = sync.OnceValues(func() (string, error) {
	const now = "sec, nsec, mono := runtimeNow()\n"
	const jump = `package time

import (
	"sync/atomic"
	"syscall"
)

var jumpSeconds atomic.Int64

// Now also runs where no file may be read.
func jumped() int64 { return jumpSeconds.Load() }

func init() {
	path, ok := syscall.Getenv("LCED_TEST_CLOCK")
	if !ok {
		return
	}
	jumpTo(path)
	go func() {
		for {
			Sleep(20 * Millisecond)
			jumpTo(path)
		}
	}()
}

func jumpTo(path string) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	var text [32]byte
	n, _ := syscall.Read(fd, text[:])
	seconds, sign := int64(0), int64(1)
	for _, c := range text[:max(n, 0)] {
		switch {
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			seconds = 10*seconds + int64(c-'0')
		}
	}
	jumpSeconds.Store(sign * seconds)
}
`
	dir, err := os.MkdirTemp("", "lced-runner-jump")
	if err != nil {
		return "", err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		return "", err
	}
	changed := strings.Replace(string(source), "func Now() Time {\n\t"+now, "func Now() Time {\n\t"+now+"\tsec += jumped()\n", 1)
	if changed == string(source) {
		return "", fmt.Errorf("time.Now in %s is not what this test knows", library)
	}
	replace := map[string]string{}
	for name, text := range map[string]string{"time.go": changed, "jump.go": jump} {
		replace[filepath.Join(library, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "lced-runner")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "lced-runner/cmd/lced-runner")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build with a clock that jumps: %w\n%s", err, out)
	}
	return path, nil
})
