package main

import (
	"strings"
	"testing"
)

const twoRunners = `
concurrent = 2
sentry_dsn = "https://sentry.lan"
[[runners]]
  name = "good"
  url = "https://gitlab.lan"
  token = "a"
  executor = "docker"
  [runners.docker]
    image = "alpine"
[[runners]]
  name = "other"
  url = "https://gitlab.lan"
  token = "$TOKEN"
  executor = "docker"
  [runners.docker]
    image = "alpine"
    memory = "512m"
`

// TestLint checks that each key is told of with its line and the reason, and the exit code by what is wrong.
func TestLint(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	for _, test := range []struct {
		name  string
		file  string
		env   []string
		code  int
		texts []string
	}{
		{"ignored", twoRunners, []string{"TOKEN=b"}, 0, []string{"config.toml:3: sentry_dsn: is accepted and ignored", "Configuration file is valid."}},
		{"a token that is not there", twoRunners, nil, 0, []string{"config.toml:11: runners: this runner takes no jobs: its token is empty", "is valid."}},
		{"unknown", strings.ReplaceAll(twoRunners, "memory", "memori"), []string{"TOKEN=b"}, 1, []string{"config.toml:18: runners.docker.memori: unknown key: did you mean memory?", "1 of these"}},
		{"wrong", strings.ReplaceAll(twoRunners, `"512m"`, "512"), []string{"TOKEN=b"}, 1, []string{"config.toml:18: runners.docker.memory: expected a string", "1 of these"}},
		{"several", "concurrent = 0\nlog_level = \"loud\"\nlog_fromat = \"json\"\n", nil, 1, []string{"config.toml:1: ", "config.toml:2: ", "config.toml:3: ", "3 of these"}},
		{"no TOML", "<html>", nil, 1, []string{"config.toml:1: this is not TOML"}},
	} {
		b.write(test.file)
		r := b.run("", test.env, "lint")
		b.check(r, test.code, test.texts...)
		if t.Failed() {
			t.Fatalf("in the case %q", test.name)
		}
	}
}

// TestStartWithOneBadRunner checks that the other runner of the file is read and starts.
func TestStartWithOneBadRunner(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	b.write(strings.NewReplacer(`"512m"`, "512", "$TOKEN", "b").Replace(twoRunners))
	w, err := load(t.Context(), &globals{}, b.file)
	if err != nil || !w.current.Usable() {
		t.Fatalf("error %v, want one usable runner", err)
	}
	b.write(strings.NewReplacer(`"alpine"`, "1", "$TOKEN", "b").Replace(twoRunners))
	if _, err := load(t.Context(), &globals{}, b.file); err == nil || !strings.Contains(err.Error(), "config.toml:10: runners.docker.image") {
		t.Errorf("error %v, want both lines: no runner is usable", err)
	}
}
