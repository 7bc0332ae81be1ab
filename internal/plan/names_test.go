package plan

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		token                   jobapi.Secret
		project                 int64
		slot                    int
		short, wantProject, net string
	}{
		{"glrt-S9Txx_wglq-rest", 54, 1, "S9Txx_wgl", "runner-s9txxwgl-project-54-concurrent-1", "runner-S9Txx_wgl-54-1-77"},
		{"glrt-t3_ABCDEFGHIJK", 1, 0, "ABCDEFGHI", "runner-abcdefghi-project-1-concurrent-0", "runner-ABCDEFGHI-1-0-77"},
		{"short", 1, 0, "short", "runner-short-project-1-concurrent-0", "runner-short-1-0-77"},
		{"", 1, 0, "", "runner--project-1-concurrent-0", "runner--1-0-77"},
		{"glrt-abcdefghi", 9223372036854775807, 123456789012, "abcdefghi", "runner-abcdefghi-project-9223372036854775807-concurrent-1234567", "runner-abcdefghi-9223372036854775807-123456789012-77"},
	} {
		in := testInput()
		in.Runner.Token, in.Job.ID, in.Job.JobInfo.ProjectID, in.ProjectSlot = test.token, 77, test.project, test.slot
		n := newNames(in)
		want := names{
			short: test.short, project: test.wantProject, unique: test.wantProject + "-0123456789abcdef", network: test.net,
			reusable: fmt.Sprintf("runner-%x", sha256.Sum256(fmt.Appendf(nil, "%s-%s-%d-%d", test.token.Reveal(), "s_0123456789ab", test.project, test.slot))),
		}
		want.reusable = want.reusable[:len("runner-")+32]
		if n != want {
			t.Errorf("%+v, want %+v", n, want)
		}
		if len(n.project) > 63 || !regexp.MustCompile(`^[a-z][-a-z0-9]*$`).MatchString(n.project) {
			t.Errorf("%s is no host name", n.project)
		}
	}
}

// TestReusableNameIsUpstreams holds on to one hash that was worked out with sha256sum: another one would orphan every
// cache volume of a board that comes from gitlab-runner, or goes back to it.
func TestReusableNameIsUpstreams(t *testing.T) {
	t.Parallel()
	in := testInput()
	in.Job.JobInfo.ProjectID = 54
	n := newNames(in)
	const want = "runner-545897e7ae81ae41c86ab42193b0e2ad" // printf %s glrt-runnertoken123456-s_0123456789ab-54-0 | sha256sum | cut -c1-32
	if n.reusable != want {
		t.Errorf("%s, want %s", n.reusable, want)
	}
	sum := fmt.Sprintf("%x", md5.Sum([]byte("/cache")))
	for _, test := range []struct {
		temporary, protected bool
		want                 string
	}{
		{false, false, want + "-cache-" + sum},
		{false, true, want + "-cache-" + sum + "-protected"},
		{true, false, n.unique + "-cache-" + sum},
		{true, true, n.unique + "-cache-" + sum + "-protected"},
	} {
		if got := n.volume("/cache", test.temporary, test.protected); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ image, given, want string }{
		{"docker", "", "docker"},
		{"docker:29-dind", "", "docker"},
		{"docker@sha256:0123", "", "docker"},
		{"group/app:1", "", "group__app group-app"},
		{"registry.example.com:5000/group/docker:dind", "", "registry.example.com__group__docker registry.example.com-group-docker"},
		{"registry.example.com:5000/app", "", "registry.example.com__app registry.example.com-app"},
		{"postgres:16", "db", "postgres db"},
		{"postgres:16", "db, main\tpostgres,,db\n", "postgres db main"},
	} {
		if diff := cmp.Diff(strings.Fields(test.want), aliases(test.image, test.given)); diff != "" {
			t.Errorf("%s with %q: %s", test.image, test.given, diff)
		}
	}
}

func TestImageNameAndVersion(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string][2]string{
		"redis":                        {"redis", "latest"},
		"redis:7":                      {"redis", "7"},
		"registry:5000/redis":          {"registry:5000/redis", "latest"},
		"registry:5000/redis:7":        {"registry:5000/redis", "7"},
		"registry:5000/redis@sha256:0": {"registry:5000/redis", "@sha256:0"},
		"redis:7@sha256:0":             {"redis", "@sha256:0"},
	} {
		if got := [2]string{executor.Repository(ref), version(ref)}; got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

func TestIsProtected(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	variable := func(values ...string) (list []jobapi.Variable) {
		for _, v := range values {
			list = append(list, jobapi.Variable{Key: "CI_COMMIT_REF_PROTECTED", Value: v})
		}
		return list
	}
	keys := func(keys ...string) (list []jobapi.Cache) {
		for _, k := range keys {
			list = append(list, jobapi.Cache{Key: k})
		}
		return list
	}
	for _, test := range []struct {
		name      string
		protected *bool
		variables []jobapi.Variable
		cache     []jobapi.Cache
		want      bool
	}{
		{"nothing is said", nil, nil, nil, false},
		{"git_info", &yes, nil, nil, true},
		{"git_info beats the variable", &no, variable("true"), nil, false},
		{"an old server has the variable only", nil, variable("true"), nil, true},
		{"a user's variable comes later", nil, variable("false", "true"), nil, false},
		{"cache key", &no, nil, keys("a-non_protected", "b-protected"), true},
		{"cache key that is not", &no, nil, keys("a-non_protected", "protected", "b-protected-c"), false},
	} {
		job := &jobapi.Job{GitInfo: jobapi.GitInfo{Protected: test.protected}, Variables: test.variables, Cache: test.cache}
		if got := isProtected(job); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestStoreNames: whatever a job calls its sidecars, none gets the store of protected refs.
func TestStoreNames(t *testing.T) {
	t.Parallel()
	n := names{reusable: "runner-0123"}
	protected := n.store("docker", true)
	for _, key := range []string{"docker", "docker-protected", "protected-docker", "protected-store-docker", "-protected-store-docker"} {
		if got := n.store(key, false); got == protected {
			t.Errorf("key %q gets %s, the store of protected refs", key, got)
		}
	}
}

// TestSharedNetwork: a network that other jobs may have tells of none; where the configuration asks for anything but the default it is
// the job's own.
func TestSharedNetwork(t *testing.T) {
	t.Parallel()
	in := goldenInput(t, "testdata/plain")
	in.Network = "lced-1"
	compiled, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	n := compiled.Plan.Network
	if n.Name != "lced-1" || n.Form == "" || n.Labels[executor.LabelOwner] != in.SystemID || n.Labels[executor.LabelSpareForm] != n.Form {
		t.Errorf("the network is %+v", n)
	}
	for name, value := range n.Labels {
		if strings.Contains(name, ".job.") || strings.Contains(name, ".pipeline.") || strings.Contains(name, ".project.") || strings.HasSuffix(name, ".runner.id") {
			t.Errorf("it is labelled as one job's: %s=%s", name, value)
		}
	}
	for what, change := range map[string]func(*config.Docker){
		"network_mtu": func(d *config.Docker) { d.NetworkMTU = 1400 }, "enable_ipv6": func(d *config.Docker) { d.EnableIPv6 = true },
		"network_mode": func(d *config.Docker) { d.NetworkMode = "host" }, "links": func(d *config.Docker) { d.Links = []string{"db"} },
	} {
		runner := *in.Runner
		changed := in
		changed.Runner = &runner
		change(&runner.Docker)
		if NetworkForm(changed) != "" {
			t.Errorf("with %s jobs share networks", what)
		}
	}
}
