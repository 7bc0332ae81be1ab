package status

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// TestDashboardAndAlerts checks that all metrics of which deploy's dashboard and alert rules speak are there.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	b, busy, _, j := two(t)
	busy.Answered()
	busy.Called(Call{"request_job", "POST", 201, time.Second})
	j.Started("total", time.Second)
	j.End("script_failure")
	known := read(t, b)
	for _, file := range []string{"../../deploy/grafana/lced-runner.json", "../../deploy/prometheus/alerts.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\b(gitlab_runner|lced|process|go)_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s speaks of %v only", file, names)
		}
		for _, name := range names {
			if name = regexp.MustCompile(`_bucket$`).ReplaceAllString(name, ""); known[name] == nil {
				t.Errorf("%s speaks of %s, which does not exist", file, name)
			}
		}
	}
}
