package config

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// environment has one variable, for url and token to name.
func environment(name string) string {
	return map[string]string{"LCED_TOKEN": "glrt-secret", "GITLAB": "gitlab.lan"}[name]
}

func TestLoadWithoutWarning(t *testing.T) {
	t.Parallel()
	const notes = "../../test/notes/"
	for _, path := range []string{notes + "config-1.toml", notes + "config-2.toml", notes + "config-3.toml", "testdata/registered.toml", "testdata/full.toml", "testdata/full.yaml"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.Replace(text, []byte(`"URL"`), []byte(`"https://gitlab.lan"`), 1) // as the notes tell to
			c, warnings, err := Parse(text, path, environment)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("warnings %v, error %v; want neither", warnings, err)
			}
			if c.Runners[0].Disabled != "" {
				t.Errorf("the runner is disabled: %s", c.Runners[0].Disabled)
			}
		})
	}
}

// TestPlaceholders: a file in which url still has to be filled in is no reason to end, over and over under a restart policy.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	c, warnings, err := Load("../../test/notes/config-1.toml", environment)
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].String(), `:4: runners: this runner takes no jobs: its url is "URL"`) || c.Runners[0].Disabled == "" {
		t.Errorf("warnings %v, error %v", warnings, err)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	want := Default()
	want.Concurrent = 10
	runner := DefaultRunner()
	runner.Name, runner.URL, runner.Token, runner.Executor = "lced", "URL", "TOKEN", "docker"
	runner.RawURL, runner.RawToken = "URL", "TOKEN"
	runner.Docker.Image = "ruby:2.7"
	runner.Docker.Privileged = true
	runner.Docker.TLSVerify = true
	runner.Docker.Volumes = []Volume{{Destination: "/certs/client"}}
	runner.Disabled = `its url is "URL": set it to GitLab's address, such as https://gitlab.example.com`
	want.Runners = []Runner{runner}

	got, _, err := Load("../../test/notes/config-3.toml", environment)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, comparable...); diff != "" {
		t.Errorf("config-3.toml (-want +got):\n%s", diff)
	}
	noEnvironment := func(string) string { return "" }
	if diff := cmp.Diff(Engine{Host: "unix:///var/run/docker.sock"}, got.Runners[0].Docker.Engine(noEnvironment)); diff != "" {
		t.Errorf("tls_verify without a host must leave the local socket as it is (-want +got):\n%s", diff)
	}
}

func TestBothFormatsMeanTheSame(t *testing.T) {
	t.Parallel()
	fromTOML, _, err := Load("testdata/full.toml", environment)
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, _, err := Load("testdata/full.yaml", environment)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromTOML, fromYAML, comparable...); diff != "" {
		t.Errorf("the same keys (-toml +yaml):\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	c, _, err := Load("testdata/full.toml", environment)
	if err != nil {
		t.Fatal(err)
	}
	r, no := c.Runners[0], false
	for _, v := range []struct{ what, want, got any }{
		{"check_interval", 5 * time.Second, c.CheckInterval},
		{"log_format in another case", "json", c.LogFormat},
		{"connection_max_age", 90 * time.Minute, c.ConnectionMaxAge},
		{"url without its slash", "https://gitlab.example.com/sub", r.URL},
		{"raw url", "https://gitlab.example.com/sub/", r.RawURL},
		{"expanded token", "glrt-secret", r.Token.Reveal()},
		{"raw token", "${LCED_TOKEN}", r.RawToken.Reveal()},
		{"output_limit in bytes", int64(8192 * 1024), r.OutputLimit},
		{"zero means the default", 3, r.UnhealthyLimit},
		{"environment", []Variable{{"A", "1"}, {"B", "x=y"}}, r.Environment},
		{"clean_git_config", &no, r.CleanGitConfig},
		{"services_privileged", &no, r.Docker.ServicesPrivileged},
		{"feature_flags", map[string]bool{"FF_NETWORK_PER_BUILD": true}, r.FeatureFlags},
		{"key in another case", "alpine", r.Docker.Image},
		{"volumes", []Volume{{Destination: "/cache"}, {Source: "/srv/data", Destination: "/data", Mode: "ro"}}, r.Docker.Volumes},
		{"dns", []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("fd00::1")}, r.Docker.DNS},
		{"memory", Bytes(512 << 20), r.Docker.Memory},
		{"cpus", NanoCPUs(1_500_000_000), r.Docker.CPUs},
		{"ulimit", map[string]Ulimit{"nofile": {1024, 4096}}, r.Docker.Ulimit},
		{"devices", []Device{{"/dev/ttyUSB0", "/dev/ttyUSB0", "rwm"}}, r.Docker.Devices},
		{"wait_for_services_timeout", -time.Second, r.Docker.WaitForServicesTimeout},
		{"services", []Service{{Name: "redis:7", Alias: "cache", Environment: []Variable{{"REDIS_ARGS", "--save"}}}}, r.Docker.Services},
		{"engine", Engine{"tcp://192.168.1.2:2376", "/certs", true}, r.Docker.Engine(environment)},
		{"pull_policy as a list", []string{"always", "if-not-present"}, r.Docker.PullPolicy},
		{"pull_policy as a string", []string{"never"}, c.Runners[1].Docker.PullPolicy},
		{"default of the second runner", "/builds", c.Runners[1].BuildsDir},
	} {
		if diff := cmp.Diff(v.want, v.got, comparable...); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.what, diff)
		}
	}
}

// comparable lets cmp look at the fields whose types it cannot see into, and leaves the blank ones out.
var comparable = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == "._" }, cmp.Ignore()),
}

func TestBadFilesOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{filepath.Join(dir, "none.toml"): "there is no such file", dir: "is a directory", "/dev/zero": "more than 4 MiB"} {
		if _, _, err := Load(path, os.Getenv); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Load(%s) = %v, want the path and %q", path, err, want)
		}
	}
}

// FuzzLoad reads whatever comes: no file may crash the runner, and each that cannot be used is told of by its name.
func FuzzLoad(f *testing.F) {
	for _, m := range malformed() {
		if len(m.text) > 1<<16 {
			continue // too slow for a mutation
		}
		f.Add([]byte(m.text), fileOf(m.name) == "config.yaml")
	}
	for _, pattern := range []string{"testdata/*.toml", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, filepath.Ext(file) == ".yaml")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, isYAML bool) {
		file := "config.toml"
		if isYAML {
			file = "config.yaml"
		}
		c, warnings, err := Parse(data, file, environment)
		if c == nil && err == nil || err != nil && c.Usable() && len(c.Runners) < 2 {
			t.Fatalf("config %v with error %v", c, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), file+":") {
			t.Errorf("error %q does not begin with the file", err)
		}
		for _, w := range warnings {
			if !strings.HasPrefix(w.String(), file+":") {
				t.Errorf("warning %q does not begin with the file", w)
			}
		}
	})
}
