package executor

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestTellFallen tells of services that failed, to whoever's script has failed, and of nothing else.
func TestTellFallen(t *testing.T) {
	t.Parallel()
	const begun = `"StartedAt":"2026-03-01T09:15:27Z"`
	states := map[string]string{
		"up": `{"Running":true,` + begun + `}`, "done": `{"ExitCode":0,` + begun + `}`,
		"failed": `{"ExitCode":3,` + begun + `}`, "killed": `{"ExitCode":137,"OOMKilled":true,` + begun + `}`,
	}
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		name := strings.Split(r.URL.Path, "/")[2]
		switch {
		case strings.HasSuffix(r.URL.Path, "/logs"):
			// The engine's frame: stream 1, and the length of what follows.
			fmt.Fprintf(w, "\x01\x00\x00\x00\x00\x00\x00%cthe log of %s\n", len("the log of ")+len(name)+1, name)
		case states[name] == "":
			refuse(w, http.StatusNotFound, "No such container")
		default:
			fmt.Fprintf(w, `{"Id":%q,"State":%s}`, name, states[name])
		}
	})
	var services []Service
	for _, name := range []string{"up", "done", "failed", "killed", "gone"} {
		services = append(services, Service{Title: name + ":latest", Container: Container{Name: name}})
	}
	var log lines
	tellFallen(t.Context(), e.containers, &ExitError{Code: 1}, services, &log)
	want := []string{
		"\x1b[0;33mWARNING: service failed:latest had ended with exit code 3 by then. The last lines of its log:\x1b[0;m", "the log of failed",
		"\x1b[0;33mWARNING: service killed:latest had ended with exit code 137 by then, as it ran out of memory. The last lines of its log:\x1b[0;m", "the log of killed",
		"\x1b[0;33mWARNING: service gone:latest was removed from outside while the job ran, as by `docker rm`\x1b[0;m",
	}
	if got := strings.Join(log.text, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	services[len(services)-1].Ready.Must = true
	j := &Job{engine: e, plan: &Plan{Services: services}}
	if found := fallen(t.Context(), j); len(found) != 1 || !found[0].Removed {
		t.Errorf("of those that a job cannot do without, %v have fallen", found)
	}
	log.text = nil
	for _, err := range []error{nil, errors.New("canceled")} {
		tellFallen(t.Context(), e.containers, err, services, &log)
	}
	if len(log.text) > 0 {
		t.Errorf("without a script that failed: %q", log.text)
	}
}
