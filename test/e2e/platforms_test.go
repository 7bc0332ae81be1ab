package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// most is how large a binary may be: a board fetches it over the air, and has it on its flash twice while it is replaced.
const most = 18 << 20

// TestBoards compiles the runner for the boards that it is made for, as a release has it. `make arm64` runs it there, by emulation.
func TestBoards(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"arm64", "arm"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(t.TempDir(), "lced-runner")
			cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", binary, "lced-runner/cmd/lced-runner")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
			stat, err := os.Stat(binary)
			if err != nil {
				t.Fatal(err)
			}
			if stat.Size() > most {
				t.Errorf("the binary has %d bytes, more than %d: see what a new import brings along (go tool nm -size; text/template alone costs 7 MB)", stat.Size(), most)
			}
		})
	}
}
