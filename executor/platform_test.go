package executor

import (
	"errors"
	"fmt"
	"testing"
)

func TestForeign(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		image, engine string
		want          bool
	}{
		{"linux/arm64", "linux/arm64", false},
		{"linux/amd64", "linux/arm64", true},
		{"linux/arm", "linux/arm64", false},
		{"linux/arm64", "linux/arm", true},
		{"linux/386", "linux/amd64", false},
		{"linux/arm", "linux/amd64", true},
		{"", "linux/arm64", false}, // the engine does not say
		{"linux/amd64", "", false}, // nobody has asked the engine yet
	} {
		if got := foreign(tt.image, tt.engine); got != tt.want {
			t.Errorf("image %q on %q: %v, want %v", tt.image, tt.engine, got, tt.want)
		}
	}
}

// TestPassing says which errors of a preparation are worth another try.
func TestPassing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{errors.New("create container x: connection reset by peer"), true},
		{&ImageError{Image: "x", Kind: ImageUnreachable, Err: errors.New("no such host")}, false}, // tried three times by itself
		{&ConfigError{errors.New("no such user")}, false},
		{fmt.Errorf("service: %w", &ServiceError{Service: "db"}), false},
		{fmt.Errorf("service: %w", &ServiceError{Service: "docker", Log: []byte("the board was busy")}), true},
		{taskError{&ExitError{Stage: "get_sources", Code: 1}}, false},
		{fmt.Errorf("run get_sources in the helper: %w", errRefused), false},
	} {
		again := func(e *ServiceError) bool { return string(e.Log) == "the board was busy" }
		if got := (&Job{Again: again}).passing(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}
