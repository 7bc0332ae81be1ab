package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lced-runner/internal/coordinator"
)

// threeRunners has a runner that GitLab knows, one that it has forgotten, and one of an older registration.
func threeRunners(t *testing.T) *board {
	t.Helper()
	b := newBoard(t)
	b.gitlab.AddRunner(coordinator.Runner{Token: "glrt-good", ID: 7, TokenLifetime: time.Hour})
	b.gitlab.AddRunner(coordinator.Runner{Token: "OldAuthenticationToken", ID: 8})
	b.write(fmt.Sprintf(`# The hall.
concurrent = 3
mine = true

[[runners]]
  name = "good" # of hall 3
  url = %[1]q
  id = 7
  token = "glrt-good"
  executor = "docker"
  [runners.docker]
    image = "alpine"

# Who was that?
[[runners]]
  name = "gone"
  url = %[1]q
  token = "glrt-gone"
  executor = "docker"
  [runners.docker]
    image = "alpine"

[[runners]]
  name = "old"
  url = %[1]q
  token = "OldAuthenticationToken"
  executor = "docker"
  [runners.docker]
    image = "alpine"
`, b.url))
	return b
}

func TestVerify(t *testing.T) {
	t.Parallel()
	b := threeRunners(t)
	before := b.read()
	b.want(1, []string{"is valid", "name=gone", "is removed", "failed to verify runners"}, "verify")
	b.want(0, []string{"is valid"}, "verify", "--name", "good")
	b.want(0, []string{"is valid"}, "verify", "-u", b.url, "-t", "OldAuthenticationToken")
	b.want(1, []string{`no runner in the configuration has the name "other"`}, "verify", "-n", "other")
	for _, f := range []coordinator.Fault{{Status: http.StatusUnprocessableEntity}, {Status: http.StatusNotFound}, {Status: http.StatusServiceUnavailable, Times: 5}, {Cut: true}} {
		f.Endpoint = coordinator.EndpointVerify
		b.gitlab.Inject(f)
		b.want(1, []string{"Verifying runner... failed"}, "verify", "--delete", "--name", "good")
	}
	if b.read() != before {
		t.Fatalf("a GitLab that is out of order has cost a runner:\n%s", b.read())
	}
	b.want(0, []string{"is removed", "Updated " + b.file}, "verify", "--delete")
	want := cutOut(before, "# Who was that?\n", "[[runners]]\n  name = \"old\"")
	if got := b.read(); got != want {
		t.Errorf("the file is:\n%s\nwant\n%s", got, want)
	}
	r := b.want(0, []string{"Listing configured runners", "ConfigFile=" + b.file, "good  ", "Executor=docker Token=glrt-good URL=" + b.url}, "list")
	if r.out != "" {
		t.Errorf("stdout has %q, where scripts expect nothing", r.out)
	}
	b.want(0, nil, "verify")
}

func TestUnregister(t *testing.T) {
	t.Parallel()
	b := threeRunners(t)
	before := b.read()
	b.want(0, nil, "verify", "-n", "good") // GitLab knows of this machine
	b.want(1, []string{"nothing is selected"}, "unregister")
	b.want(1, []string{"3 runners in the configuration have the url"}, "unregister", "-u", b.url)
	b.want(1, []string{"verify --delete"}, "unregister", "-n", "gone")
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError, http.StatusBadRequest} {
		b.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointRegister, Status: status, Times: 5})
		b.want(1, []string{"Failed to unregister", fmt.Sprint(status)}, "unregister", "-n", "good")
		b.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointRegister, Times: -1})
	}
	if b.read() != before {
		t.Fatalf("a runner that is still registered is not in the file any more:\n%s", b.read())
	}
	b.want(0, []string{"Unregistering runner manager from GitLab succeeded"}, "unregister", "-n", "good")
	if known := b.known("glrt-good"); known == nil || len(known.Managers) > 0 {
		t.Errorf("GitLab has %+v, want the runner without this machine", known)
	}
	b.want(1, []string{"Unregistering runner from GitLab succeeded", "name=gone", "failed to unregister runners"}, "unregister", "--all-runners")
	if b.known("OldAuthenticationToken") != nil {
		t.Error("GitLab still has the old runner")
	}
	if got, want := b.read(), cutOut(cutOut(before, "[[runners]]\n  name = \"good\"", "# Who was that?"), "[[runners]]\n  name = \"old\"", ""); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("the file is:\n%s\nwant\n%s", got, want)
	}
	// A runner that no file has.
	b.want(1, []string{"/none"}, "unregister", "-u", b.url, "-t", "glrt-good", "--tls-ca-file", "/none")
	b.want(0, []string{"manager from GitLab succeeded"}, "unregister", "-u", b.url, "-t", "glrt-good")
}

func TestResetToken(t *testing.T) {
	t.Parallel()
	b := threeRunners(t)
	before := b.read()
	b.want(1, []string{"nothing is selected"}, "reset-token")
	b.want(1, []string{"belong together"}, "reset-token", "-i", "7")
	b.want(1, []string{"not valid (any more)"}, "reset-token", "-n", "gone")
	b.want(1, []string{"personal access token is wrong"}, "reset-token", "-n", "good", "--pat", "glpat-other")
	b.want(1, []string{"has no id"}, "reset-token", "-n", "gone", "--pat", personalToken)
	for _, f := range []coordinator.Fault{{Status: http.StatusForbidden}, {Status: http.StatusNotFound}, {Status: http.StatusUnprocessableEntity}, {Status: http.StatusBadGateway, Times: 5}, {Cut: true}} {
		f.Endpoint = coordinator.EndpointReset
		b.gitlab.Inject(f)
		b.want(1, []string{"Failed to reset"}, "reset-token", "-u", b.url, "-i", "7", "--pat", personalToken)
	}
	if b.read() != before {
		t.Fatalf("the file has changed:\n%s", b.read())
	}
	b.want(0, []string{"succeeded"}, "reset-token", "-n", "good")
	first := b.config().Runners[0]
	if first.Token == "glrt-good" || b.known(first.Token.Reveal()) == nil || first.TokenExpiresAt.IsZero() || first.TokenObtainedAt.IsZero() {
		t.Errorf("the runner is now %+v", first)
	}
	b.want(0, []string{"succeeded"}, "reset-token", "-u", b.url, "--id", "7", "--pat", personalToken)
	if second := b.config().Runners[0].Token; second == first.Token || b.known(second.Reveal()) == nil {
		t.Errorf("the token is %q after %q", second.Reveal(), first.Token.Reveal())
	}
	b.want(1, []string{"name=old", "succeeded", "name=gone", "failed to reset"}, "reset-token", "--all-runners")
	for _, kept := range []string{"# The hall.", "mine = true", "# of hall 3", "# Who was that?"} {
		if !strings.Contains(b.read(), kept) {
			t.Errorf("%q is lost:\n%s", kept, b.read())
		}
	}

	// A token of the environment stays there, and the variable's name in the file.
	b.write(strings.Replace(before, `"glrt-good"`, `"$TOKEN"`, 1))
	r := b.run("", []string{"TOKEN=glrt-good"}, "reset-token", "-n", "good")
	b.check(r, 1, "$TOKEN")
}

// TestGitLabsServices are the commands that gitlab-runner has and lced-runner leaves to others.
func TestGitLabsServices(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.want(1, []string{"systemctl enable"}, "install", "--user", "gitlab-runner", "-d", "/home/gitlab-runner")
	b.want(0, nil, "list")
	if _, err := os.Stat(filepath.Dir(b.file)); !os.IsNotExist(err) {
		t.Errorf("commands that only look have made %s", filepath.Dir(b.file))
	}
}

// cutOut removes what stands from one text up to another one, which stays; up to "" is up to the end.
func cutOut(s, from, to string) string {
	before, rest, _ := strings.Cut(s, from)
	if to == "" {
		return before
	}
	_, after, _ := strings.Cut(rest, to)
	return before + to + after
}
