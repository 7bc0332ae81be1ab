package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBoards compiles the runner for the boards that it is made for. `make arm64` runs it there, by emulation.
func TestBoards(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"arm64", "arm"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(t.TempDir(), "lced-runner"), "lced-runner/cmd/lced-runner")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("go build: %v\n%s", err, out)
			}
		})
	}
}
