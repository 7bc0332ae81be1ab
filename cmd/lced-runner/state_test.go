package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"lced-runner/internal/config"
)

func TestStateDir(t *testing.T) {
	t.Parallel()
	beside, elsewhere := t.TempDir(), t.TempDir()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	c := config.Default()
	for _, test := range []struct{ set, want string }{{"", beside}, {elsewhere, elsewhere}} {
		c.LCED.StateDir = test.set
		got, err := openState(stateOf(c, filepath.Join(beside, "config.toml")), log)
		if err != nil {
			t.Fatal(err)
		}
		defer got.close()
		if got.dir != filepath.Join(test.want, ".lced-runner") {
			t.Errorf("with state_dir %q the state is in %q, want below %s", test.set, got.dir, test.want)
		}
		if _, err := openState(stateOf(c, filepath.Join(beside, "config.toml")), log); err == nil {
			t.Errorf("%s can be had twice", got.dir)
		}
	}
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := openState(filepath.Join(file, "state"), log)
	if err != nil || got.lasting {
		t.Errorf("a directory that cannot be made: %+v, %v", got, err)
	}
	if got.close(); got.dir != "" {
		if _, err := os.Stat(got.dir); !os.IsNotExist(err) {
			t.Errorf("%s stays: %v", got.dir, err)
		}
	}
}

// TestOutlives: what lies in the container itself, or in memory, goes when compose replaces the container.
func TestOutlives(t *testing.T) {
	t.Parallel()
	const inside = "792 539 0:80 / / rw,relatime master:13 - overlay overlay rw\n" +
		"794 792 0:89 / /dev rw,nosuid - tmpfs tmpfs rw\n" +
		"811 792 254:0 /srv/docker/containers/337be8/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
	const mounted = inside + "810 792 254:0 /srv/region /home/gitlab-runner rw,relatime - ext4 /dev/vda rw\n"
	for _, test := range []struct {
		dir, mounts string
		want        bool
	}{
		{"/home/gitlab-runner/.gitlab-runner/.lced-runner", mounted, true},
		{"/home/gitlab-runner", mounted, true},
		{"/home/gitlab-runner2/.lced-runner", mounted, false},
		{"/etc/gitlab-runner/.lced-runner", mounted, false},
		{"/etc/gitlab-runner/.lced-runner", inside + "810 792 254:0 /c /etc/gitlab-runner/config.toml rw - ext4 /dev/vda rw\n", false},
		{"/etc/gitlab-runner/.lced-runner", inside + "810 792 0:90 / /etc/gitlab-runner rw - tmpfs tmpfs rw\n", false},
		{"/etc/gitlab-runner/.lced-runner", "20 1 254:0 / / rw - ext4 /dev/vda rw\n", true},
		{"/etc/gitlab-runner/.lced-runner", "20 1 0:33 / / rw - overlay overlay rw\n", true}, // a board that is read-only below
		{"/etc/gitlab-runner/.lced-runner", "", true},
		{"/etc/gitlab-runner/.lced-runner", "garbage\n1 2 3 4 / - \n", true},
	} {
		if got := outlives(test.dir, test.mounts); got != test.want {
			t.Errorf("%s outlives its container: %t, with\n%s", test.dir, got, test.mounts)
		}
	}
}
