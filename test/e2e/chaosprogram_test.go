package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// chaosBinary builds the runner once with three changes to Go's library. Its wall clock jumps: seconds from the file
// $LCED_TEST_CLOCK are added to time.Now, as an NTP client does it to a board; a static binary takes no other clock, and the
// machine's is everybody's. It notes what is on the disk for certain: in the directory $LCED_TEST_SYNCED there is a file
// for each inode that was synced, with the size that it had before. And it dies while it delivers a script, where there is a file
// $LCED_TEST_CUT, which goes with it: after so many bytes of the script as that says.
func chaosBinary(t *testing.T) string {
	t.Helper()
	path, err := buildForChaos()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const jumpingClock = `package time

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

const notedSyncs = `package syscall

func Fsync(fd int) error     { return notedSync(fd, unnotedFsync) }
func Fdatasync(fd int) error { return notedSync(fd, unnotedFdatasync) }

func notedSync(fd int, sync func(int) error) error {
	dir, ok := Getenv("LCED_TEST_SYNCED")
	if !ok {
		return sync(fd)
	}
	var file Stat_t
	if err := Fstat(fd, &file); err != nil {
		return err
	}
	if err := sync(fd); err != nil || file.Mode&S_IFMT != S_IFREG {
		return err
	}
	note, err := Open(dir+"/"+decimal(int64(file.Ino)), O_WRONLY|O_CREAT|O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer Close(note)
	_, err = Write(note, []byte(decimal(file.Size)))
	return err
}

// decimal has always 20 digits, so that one write replaces another.
func decimal(n int64) string {
	var text [20]byte
	for i := range text {
		text[len(text)-1-i] = byte('0' + n%10)
		n /= 10
	}
	return string(text[:])
}
`

const cutDelivery = `package syscall

func write(fd int, p []byte) (int, error) {
	const script = "{ printf "
	if len(p) < len(script) || p[0] != '{' || string(p[:len(script)]) != script {
		return uncutWrite(fd, p)
	}
	path, _ := Getenv("LCED_TEST_CUT")
	file, err := Open(path, O_RDONLY|O_CLOEXEC, 0)
	if err != nil {
		return uncutWrite(fd, p)
	}
	var text [20]byte
	digits, _ := Read(file, text[:])
	after := 0
	for _, c := range text[:max(digits, 0)] {
		after = 10*after + int(c-'0')
	}
	uncutWrite(fd, p[:min(after, len(p))])
	Unlink(path)
	Kill(Getpid(), SIGKILL)
	select {}
}
`

var buildForChaos = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "lced-runner-chaos")
	if err != nil {
		return "", err
	}
	library := filepath.Join(strings.TrimSpace(string(out)), "src")
	replace := map[string]string{}
	put := func(name, text string) error {
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		replace[filepath.Join(library, name)] = path
		return os.WriteFile(path, []byte(text), 0o600)
	}
	change := func(name string, old ...string) error {
		text, err := os.ReadFile(filepath.Join(library, name))
		if err != nil {
			return err
		}
		changed := strings.NewReplacer(old...).Replace(string(text))
		if changed == string(text) {
			return fmt.Errorf("%s is not what this test knows", name)
		}
		return put(name, changed)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	for _, err := range []error{
		change("time/time.go", now, now+"\tsec += jumped()\n"),
		put("time/jump.go", jumpingClock),
		change("syscall/zsyscall_linux_"+runtime.GOARCH+".go", "func Fsync(", "func unnotedFsync(", "func Fdatasync(", "func unnotedFdatasync(", "func write(", "func uncutWrite("),
		put("syscall/notedsyncs.go", notedSyncs), put("syscall/cutdelivery.go", cutDelivery),
	} {
		if err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "lced-runner")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "lced-runner/cmd/lced-runner")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build with another clock: %w\n%s", err, out)
	}
	return path, nil
})
