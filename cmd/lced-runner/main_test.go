package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// TestMain lets the test's own binary be lced-runner, so that a command is a process with its exit code, environment and
// signals.
func TestMain(m *testing.M) {
	if os.Getenv("LCED_TEST_COMMAND") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// board is one machine with a configuration file, and a GitLab.
type board struct {
	t      *testing.T
	gitlab *coordinator.Server
	url    string
	file   string
}

const (
	oldToken      = "GR1348941registration"
	personalToken = "glpat-personal-token"
)

// newBoard starts a GitLab that makes runners by oldToken. The board has no configuration yet.
func newBoard(t *testing.T) *board {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil)
	b := &board{t: t, url: "http://" + listener.Listener.Addr().String() + "/gitlab", file: filepath.Join(t.TempDir(), "etc", "config.toml")}
	var err error
	b.gitlab, err = coordinator.New(coordinator.Options{URL: b.url, RegistrationToken: oldToken, PersonalToken: personalToken})
	if err != nil {
		t.Fatal(err)
	}
	listener.Config.Handler = b.gitlab.Handler()
	listener.Start()
	t.Cleanup(listener.Close)
	t.Cleanup(func() {
		for _, v := range b.gitlab.Violations() {
			t.Errorf("violation of the job API: %s", v)
		}
	})
	return b
}

// result is what a command left.
type result struct {
	code        int
	out, errors string
}

// command prepares lced-runner with this configuration and no environment but env.
func (b *board) command(stdin string, env []string, args ...string) *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(program, append(args, "--config", b.file)...)
	cmd.Env = append([]string{"LCED_TEST_COMMAND=1", "HOME=" + b.t.TempDir()}, env...)
	cmd.Stdin = strings.NewReader(stdin)
	return cmd
}

func (b *board) run(stdin string, env []string, args ...string) result {
	b.t.Helper()
	cmd := b.command(stdin, env, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		b.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// want runs a command and checks its exit code, and that what it prints has all the texts.
func (b *board) want(code int, texts []string, args ...string) result {
	b.t.Helper()
	r := b.run("", nil, args...)
	b.check(r, code, texts...)
	return r
}

func (b *board) check(r result, code int, texts ...string) {
	b.t.Helper()
	if r.code != code {
		b.t.Errorf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.errors)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.errors, text) {
			b.t.Errorf("no %q in:\n%s%s", text, r.out, r.errors)
		}
	}
	if strings.Contains(r.out+r.errors, "goroutine ") {
		b.t.Errorf("a crash:\n%s%s", r.out, r.errors)
	}
}

func (b *board) write(text string) {
	b.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(b.file), 0o700), os.WriteFile(b.file, []byte(text), 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *board) read() string {
	b.t.Helper()
	data, err := os.ReadFile(b.file)
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return string(data)
}

func (b *board) config() *config.Config {
	b.t.Helper()
	c, _, err := config.Load(b.file, func(string) string { return "" })
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// systemID is this machine's.
func (b *board) systemID() string {
	id, _ := config.SystemID(filepath.Dir(b.file))
	return id
}

// known is GitLab's record of the runner with that token, with the machines that use it.
func (b *board) known(token string) *coordinator.Runner {
	for _, r := range coordinator.RunnersOf(b.gitlab) {
		if r.Token == token {
			return &r
		}
	}
	return nil
}
