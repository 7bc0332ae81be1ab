package config

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// Keys feeds the documentation, and the decoder finds keys in any case: so each has a line of its own and none is another in disguise.
func TestKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range Keys() {
		lower := strings.ToLower(k.Path)
		if seen[lower] {
			t.Errorf("%s is there twice", k.Path)
		}
		seen[lower] = true
		if k.Doc == "" {
			t.Errorf("%s has no line in the documentation", k.Path)
		}
		if k.Class == Honoured && k.Type == "" {
			t.Errorf("%s is honoured, but nothing says what its value is", k.Path)
		}
	}
}

func TestKeysKnowDefaults(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"concurrent": "1", "check_interval": "3", "runners.output_limit": "4096", "runners.builds_dir": "/builds",
		"runners.docker.pull_policy": "always", "runners.docker.services_limit": "-1", "runners.docker.wait_for_services_timeout": "30",
		"runners.dind.mode": "auto", "runners.dind.wait_timeout": "2m", "connection_max_age": "15m", "runners.unhealthy_interval": "1h", "runners.docker.image": "", "runners.docker": "",
	}
	got := map[string]string{}
	for _, k := range Keys() {
		got[k.Path] = k.Default
	}
	for path, value := range want {
		if shown, known := got[path]; shown != value || !known {
			t.Errorf("default of %s is %q (known: %v), want %q", path, shown, known, value)
		}
	}
}

// These are keys of gitlab-runner's documentation in tables that differ from the struct fields beside them.
func TestForeignKeysAreKnown(t *testing.T) {
	t.Parallel()
	keys := Keys()
	for path, class := range map[string]Class{
		"sentry_dsn": Ignored, "labels": Ignored, "machine": OtherExecutor, "experimental": Ignored,
		"runners.cache.s3.RoleARN": Ignored, "runners.cache.gcs.BucketName": Ignored, "runners.kubernetes": OtherExecutor, "runners.ssh": OtherExecutor, "runners.docker.isolation": Ignored,
	} {
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.Path == path && k.Class == class }) {
			t.Errorf("%s is not in the table as %q", path, class)
		}
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError, "fatal": slog.LevelError, "panic": slog.LevelError,
	} {
		if got := (&Config{LogLevel: word}).Level(); got != want {
			t.Errorf("log_level %q is %v, want %v", word, got, want)
		}
	}
}
