package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRunSingleRefused is what is wrong before anything is done.
func TestRunSingleRefused(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	base := []string{"run-single", "-u", b.url, "-t", "glrt-one", "--docker-image", "alpine"}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"use --url", []string{"run-single"}},
		{"use --token", []string{"run-single", "-u", b.url}},
		{"use --docker-image", []string{"run-single", "-u", b.url, "-t", "glrt-one"}},
		{"0 or more", append(base, "--max-builds=-1")},
		{"equal sign", append(base, "--docker-privileged", "true")},
		{"expected a size", append(base, "--docker-memory", "much")},
		{`executor is "shell"`, append(base, "--executor", "shell")},
		{"--url, --token, --docker-image cannot be given with --runner", append(base, "--runner", "hall 3")},
		{"there is no such file", []string{"run-single", "--runner", "hall 3"}},
	} {
		b.check(b.run("", nil, test.args...), 1, test.want)
	}
	if _, err := os.Stat(filepath.Dir(b.file)); !os.IsNotExist(err) {
		t.Errorf("a refused runner has made %s", filepath.Dir(b.file))
	}
	b.write("[[runners]]\n  name = \"hall 3\"\n[[runners]]\n  name = \"hall 3\"\n[[runners]]\n  name = \"other\"\n")
	b.check(b.run("", nil, "run-single", "-r", "hall 3"), 1, "2 runners")
	b.check(b.run("", nil, "run-single", "-r", "none"), 1, "0 runners")
	b.check(b.run("", nil, "run-single", "-r", "other"), 1, "cannot take jobs")
}
