package main

import (
	"strings"
	"testing"

	"lced-runner/internal/config"
)

// TestLogFollowsTheConfiguration checks form and level, which the configuration changes for loggers that are there already,
// and that the flags beat it.
func TestLogFollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	flags := &globals{}
	c := config.Default()
	log, output, err := newLogger(&out, flags, c)
	if err != nil {
		t.Fatal(err)
	}
	line := func() string {
		out.Reset()
		log.Info("taking jobs", "runners", 2)
		return strings.TrimSpace(out.String())
	}
	adopt := func() {
		t.Helper()
		if err := output.adopt(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := line(); !strings.HasPrefix(got, "taking jobs") || !strings.HasSuffix(got, "runners=2") {
		t.Errorf("form runner: %q", got)
	}
	c.LogFormat = "json"
	adopt()
	if got := line(); !strings.HasPrefix(got, "{") || !strings.HasSuffix(got, `"msg":"taking jobs","runners":2}`) {
		t.Errorf("form json: %q", got)
	}
	c.LogLevel = "warning"
	adopt()
	if got := line(); got != "" {
		t.Errorf("a level above info lets %q through", got)
	}
	flags.logLevel = "Fatal" // a word of gitlab-runner's
	adopt()
	if got := line(); got != "" {
		t.Errorf("the level of the flag lets %q through", got)
	}
	flags.logFormat, flags.logLevel = "text", "debug"
	adopt()
	if got := line(); !strings.Contains(got, `level=INFO msg="taking jobs" runners=2`) {
		t.Errorf("flags: %q", got)
	}
	flags.logLevel = "loud"
	if err := output.adopt(c); err == nil {
		t.Error("an unknown level is no error")
	}
}
