package helper

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestIdleReaps runs this test binary again as TestIdleProcess, since Idle collects every child of its process.
func TestIdleReaps(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestIdleProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "LCED_TEST_IDLE=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "collected all children") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestIdleProcess(t *testing.T) {
	if _, ok := os.LookupEnv("LCED_TEST_IDLE"); !ok {
		return // TestIdleReaps runs it
	}
	var children []*os.Process
	for range 3 {
		child := exec.Command("true")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child.Process)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	exits := make(chan os.Signal) // a send is taken when Idle has collected what the sends before it announced
	done := make(chan int, 1)
	go func() { done <- Idle(ctx, exits) }()
	for _, child := range children {
		for !errors.Is(child.Signal(syscall.Signal(0)), os.ErrProcessDone) && syscall.Kill(child.Pid, 0) == nil {
			exits <- syscall.SIGCHLD
		}
	}
	cancel(nil)
	if code := <-done; code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Log("collected all children")
}
