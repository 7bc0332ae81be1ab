package main

import (
	"io"
	"log/slog"
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
		got, unlock, err := stateDir(stateOf(c, filepath.Join(beside, "config.toml")), log)
		if err != nil || got != filepath.Join(test.want, ".lced-runner") {
			t.Errorf("with state_dir %q the state is in %q (%v), want below %s", test.set, got, err, test.want)
			continue
		}
		defer unlock()
		if _, _, err := stateDir(stateOf(c, filepath.Join(beside, "config.toml")), log); err == nil {
			t.Errorf("%s can be had twice", got)
		}
	}
}
