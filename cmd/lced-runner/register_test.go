package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// TestRegister is the way that GitLab's pages show: a runner that was made there, and one command.
func TestRegister(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-first", ID: 42, TokenLifetime: time.Hour})
	template := filepath.Join(t.TempDir(), "template.toml")
	if err := os.WriteFile(template, []byte("[[runners]]\n  token = \"no\"\n  limit = 9\n  [runners.docker]\n    image = \"no\"\n    memory = \"1g\"\n  [[runners.docker.services]]\n    name = \"redis:7\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := b.run("", []string{"CI_SERVER_TOKEN=glrt-first", "RUNNER_ENV=A=1", "DOCKER_PRIVILEGED=", "RUNNER_LIMIT=7", "FEATURE_FLAGS=FF_A:true", "DOCKER_DNS_SEARCH=a,b"},
		"register", "--non-interactive", "--url", b.url, "--name", "hall 3", "--docker-image", "alpine", "--limit", "2", "--env", "B=2",
		"--template-config", template, "--docker-pull-policy", "if-not-present,always", "--dind-privileged", "--docker-services_privileged=false", "--feature-flags", "FF_B:0")
	b.check(r, 0, "Registering runner... succeeded", "Runner registered successfully", b.file, "limit is above concurrent")
	if strings.Contains(r.out+r.errors, "glrt-first") {
		t.Errorf("the token is readable:\n%s%s", r.out, r.errors)
	}
	got := b.config().Runners[0]
	if got.ID != 42 || time.Until(got.TokenExpiresAt) < 50*time.Minute || time.Since(got.TokenObtainedAt) > time.Hour {
		t.Errorf("id %d, token from %s to %s", got.ID, got.TokenObtainedAt, got.TokenExpiresAt)
	}
	no := false
	want := config.DefaultRunner()
	want.Name, want.URL, want.Token, want.Executor, want.ID, want.Limit = "hall 3", b.url, "glrt-first", "docker", 42, 2
	want.RawURL, want.RawToken, want.TokenObtainedAt, want.TokenExpiresAt = want.URL, want.Token, got.TokenObtainedAt, got.TokenExpiresAt
	want.Environment = []config.Variable{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}
	want.FeatureFlags = map[string]bool{"FF_A": true, "FF_B": false}
	want.Dind.Privileged = true
	want.Docker.Image, want.Docker.Memory, want.Docker.Privileged, want.Docker.ServicesPrivileged = "alpine", 1<<30, true, &no
	want.Docker.PullPolicy, want.Docker.DNSSearch = []string{"if-not-present", "always"}, []string{"a,b"}
	want.Docker.Services, want.Docker.Volumes = []config.Service{{Name: "redis:7"}}, []config.Volume{{Destination: "/cache"}}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == "._" }, cmp.Ignore())); diff != "" {
		t.Errorf("the new runner (-want +got):\n%s\n%s", diff, b.read())
	}
	if known := b.known("glrt-first"); len(known.Managers) != 1 || known.Managers[0] != b.systemID() {
		t.Errorf("GitLab knows the machines %v, want %s", known.Managers, b.systemID())
	}

	// What there is stays, and the next comes behind it.
	b.write("# mine\n" + b.read())
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-second"})
	b.check(b.run("", nil, "register", "-n", "-u", b.url, "-r", "glrt-second", "--tag-list", "a", "--docker-image", "alpine"), 0, "--tag-list", "are ignored")
	if text := b.read(); !strings.HasPrefix(text, "# mine\nconcurrent = 1\n") || strings.Count(text, "[[runners]]") != 2 {
		t.Errorf("the file is now:\n%s", text)
	}
	host, _ := os.Hostname()
	if got := b.config().Runners[1].Name; got != host {
		t.Errorf("the name is %q, want that of the host, %q", got, host)
	}
}

// TestRegisterAsks answers the questions in gitlab-runner's order, by the old way of registration.
func TestRegisterAsks(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	r := b.run(b.url+"\n"+oldToken+"\n\narm64, lced\nin the cellar\n\n\nruby:2.7\n", nil, "register", "--name", "cellar")
	b.check(r, 0, "deprecated", "Runner registered successfully")
	if strings.Contains(r.errors, "takes no jobs") {
		t.Errorf("a runner that GitLab is yet to make is called useless:\n%s", r.errors)
	}
	order := 0
	for _, question := range []string{"instance URL", "registration token", "description for the runner:\n[cellar]", "tags", "maintenance note", "executor", "default Docker image (for example, ruby:3.3):\n[]"} {
		at := strings.Index(r.out, question)
		if at < order {
			t.Errorf("%q comes not in its order:\n%s", question, r.out)
		}
		order = at
	}
	made := coordinator.RunnersOf(b.gitlab)[0]
	if diff := cmp.Diff(coordinator.Runner{Token: made.Token, ID: 1, Description: "cellar", Tags: []string{"arm64", "lced"}}, made); diff != "" {
		t.Errorf("GitLab's runner (-want +got):\n%s", diff)
	}
	got := b.config().Runners[0]
	if got.Token.Reveal() != made.Token || got.ID != 1 || got.Name != "cellar" || got.Docker.Image != "ruby:2.7" || !got.TokenExpiresAt.IsZero() {
		t.Errorf("the file is:\n%s", b.read())
	}
	b.check(b.run(b.url+"\n", nil, "register"), 1, "Enter the registration token", "--non-interactive")
}

// TestRegisterRefused has each answer of GitLab that is no runner, and what is wrong before GitLab is asked.
func TestRegisterRefused(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-orphan", Orphaned: true})
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-good"})
	b.write("concurrent = 2 # mine\n")
	base := []string{"register", "-n", "-u", b.url, "--docker-image", "alpine"}
	for _, test := range []struct {
		name  string
		args  []string
		fault *coordinator.Fault
		want  string
	}{
		{"unknown token", []string{"-t", "glrt-other"}, nil, "not valid (any more)"},
		{"orphaned", []string{"-t", "glrt-orphan"}, nil, "lost its owner"},
		{"old token", []string{"-r", "GR1348941other"}, nil, "the registration token is wrong"},
		{"old tokens are off", []string{"-r", oldToken}, &coordinator.Fault{Endpoint: coordinator.EndpointRegister, Status: http.StatusGone}, "registration tokens disabled"},
		{"short timeout", []string{"-r", oldToken, "--maximum-timeout", "5"}, nil, "needs to be at least 10 minutes"},
		{"no level", []string{"-r", oldToken, "--access-level", "secret"}, nil, "does not have a valid value"},
		{"server fault", []string{"-t", "glrt-good"}, &coordinator.Fault{Endpoint: coordinator.EndpointVerify, Status: http.StatusBadGateway, Times: 5}, "502 Bad Gateway"},
		{"too many", []string{"-t", "glrt-good"}, &coordinator.Fault{Endpoint: coordinator.EndpointVerify, Status: http.StatusTooManyRequests, Times: 5}, "429 Too Many Requests"},
		{"cut", []string{"-t", "glrt-good"}, &coordinator.Fault{Endpoint: coordinator.EndpointVerify, Cut: true}, "EOF"},
		{"another server", []string{"-t", "glrt-good", "-u", strings.TrimSuffix(b.url, "/gitlab")}, nil, "404"},
		{"no url", []string{"-t", "glrt-good", "-u", "gitlab.example.com"}, nil, "must look like https://"},
		{"no token", nil, nil, "--token"},
		{"set in GitLab", []string{"-t", "glrt-good", "--locked=false", "--paused"}, nil, "--locked, --paused cannot be given"},
		{"another executor", []string{"-t", "glrt-good", "--executor", "shell"}, nil, "docker only"},
		{"bad value", []string{"-t", "glrt-good", "--docker-memory", "much"}, nil, "runners.docker.memory: expected a size"},
		{"bad number", []string{"-t", "glrt-good", "--limit", "x"}, nil, "--limit"},
		{"true apart", []string{"-t", "glrt-good", "--docker-privileged", "true"}, nil, "equal sign"},
		{"no template", []string{"-t", "glrt-good", "--template-config", "/none"}, nil, "read the template"},
	} {
		if test.fault != nil {
			b.gitlab.Inject(*test.fault)
		}
		r := b.run("", nil, append(append([]string{}, base...), test.args...)...)
		if r.code != 1 || !strings.Contains(r.errors, test.want) {
			t.Errorf("%s: exit code %d, want 1 and %q:\n%s", test.name, r.code, test.want, r.errors)
		}
		b.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointVerify, Times: -1})
	}
	if text := b.read(); text != "concurrent = 2 # mine\n" {
		t.Errorf("the file has changed:\n%s", text)
	}
}

// TestRegisterUndone lets the file fail once GitLab has the runner.
func TestRegisterUndone(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-made"})
	b.gitlab.AddRunner(coordinator.Runner{Token: "OldAuthenticationToken"})
	b.write("runners = [{name = \"inline\", url = \"x\", executor = \"docker\"}]\n") // nothing can be put behind it
	for _, token := range []string{"--registration-token=" + oldToken, "--token=glrt-made", "--token=OldAuthenticationToken"} {
		b.check(b.run("", nil, "register", "-n", "-u", b.url, "--docker-image", "alpine", token), 1, "begin each runner with [[runners]]")
	}
	left := coordinator.RunnersOf(b.gitlab)
	if len(left) != 2 || len(left[0].Managers) != 0 || len(left[1].Managers) != 1 {
		t.Errorf("GitLab still has %+v", left)
	}
	b.check(b.run("", nil, "register", "-n", "-u", b.url, "--docker-image", "alpine", "-r", oldToken, "--leave-runner"), 1, "[[runners]]")
	if left = coordinator.RunnersOf(b.gitlab); len(left) != 3 {
		t.Errorf("--leave-runner left %d runners, want one more than 2", len(left))
	}
}

// TestRegisterInterrupted ends the command while GitLab thinks about it.
func TestRegisterInterrupted(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-slow"})
	b.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointVerify, Delay: time.Hour})
	cmd := b.command("", nil, "register", "-n", "-u", b.url, "--docker-image", "alpine", "-t", "glrt-slow", "--debug")
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The file beside the configuration is there as long as GitLab is asked.
	waitFor(t, func() bool {
		_, err := os.Stat(filepath.Join(filepath.Dir(b.file), ".config.toml.new"))
		return err == nil
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1\n%s", err, errs.String())
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(b.file), ".config*")); len(files) > 0 || b.read() != "" {
		t.Errorf("left over: %v, %q", files, b.read())
	}
}

// TestRegisterAtOnce registers many runners in one file at the same time.
func TestRegisterAtOnce(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	const many = 6
	done := make(chan result)
	for i := range many {
		go func() {
			done <- b.run("", nil, "register", "-n", "-u", b.url, "-r", oldToken, "--docker-image", "alpine", "--name", fmt.Sprint(i))
		}()
	}
	for range many {
		b.check(<-done, 0)
	}
	if got := len(b.config().Runners); got != many {
		t.Errorf("%d runners in the file, want %d:\n%s", got, many, b.read())
	}
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the test lost patience")
		}
	}
}
