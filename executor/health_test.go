package executor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
)

func TestChecked(t *testing.T) {
	t.Parallel()
	const wait = 30 * time.Second
	for _, tt := range []struct {
		name  string
		check *container.HealthConfig
		want  bool
	}{
		{"none", nil, false},
		{"inherited and none there", &container.HealthConfig{StartInterval: time.Second}, false},
		{"switched off", &container.HealthConfig{Test: []string{"NONE"}}, false},
		{"often enough", &container.HealthConfig{Test: []string{"CMD", "true"}, Interval: 5 * time.Second}, true},
		{"first at the end of the wait", &container.HealthConfig{Test: []string{"CMD", "true"}}, false},
		{"often while it starts", &container.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Hour, StartInterval: time.Second}, true},
	} {
		if got := checked(&container.Config{Healthcheck: tt.check}, wait); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := startCheck("1.41", wait); got != nil {
		t.Errorf("an engine that has no such interval is asked for %+v", got)
	}
	if diff := cmp.Diff(&container.HealthConfig{StartPeriod: wait, StartInterval: time.Second}, startCheck("1.44", wait)); diff != "" {
		t.Error(diff)
	}
}

// TestHealth follows the events of an engine.
func TestHealth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, state, events, want string }{
		{"is healthy already", `{"Running":true,"Health":{"Status":"healthy"}}`, "", "<nil>"},
		{"becomes healthy", `{"Running":true,"Health":{"Status":"starting"}}`, "health_status: running,health_status: healthy", "<nil>"},
		{"becomes unhealthy", `{"Running":true,"Health":{"Status":"starting"}}`, "health_status: unhealthy", "the engine says that it is unhealthy"},
		{"has ended", `{"Running":false}`, "", "it has ended"},
		{"ends", `{"Running":true}`, "die", "it has ended"},
		{"the engine goes away", `{"Running":true}`, "", "follow the engine's events: EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/events") {
					fmt.Fprintf(w, `{"Id":"x","State":%s}`, tt.state)
					return
				}
				for action := range strings.SplitSeq(tt.events, ",") {
					fmt.Fprintf(w, `{"Type":"container","Action":%q}`+"\n", action)
				}
			})
			if got := fmt.Sprint(health(t.Context(), e.docker, "x")); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
