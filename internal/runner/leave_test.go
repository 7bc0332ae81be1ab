package runner

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"lced-runner/internal/journal"
	"lced-runner/internal/status"
	"lced-runner/jobapi"
)

// TestLeftJobHasNotEnded: a job that goes on without this process counts as one that runs, and as failed only once it was ended
// after all. One that another process had counted as taken is not counted as that again.
func TestLeftJobHasNotEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		taken  bool // from another process
		leave  bool
		runs   int
		failed string
		jobs   string
	}{
		"a job that ends":     {failed: "1", jobs: "1"},
		"a job that is left":  {leave: true, runs: 1, jobs: "1"},
		"taken over and left": {taken: true, leave: true, runs: 1, jobs: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			board := status.New(status.Options{})
			e := entryWith(0)
			e.status = board.Runner(status.Identity{Name: "r", ShortToken: "t"}, status.Limits{}, "")
			p := newPoller(e)
			r := &Runner{slots: newSlots(1)}
			l := newLife(r, e, &jobapi.Job{ID: 7}, mustTake(t, r.slots, p))
			if tt.taken {
				l.record.Running, r.Env = &journal.Running{}, func(string) string { return "" }
			}
			enter(&l.account)
			if tt.leave {
				l.handOver(t.Context(), nil)
			}
			l.free()
			if report := board.Report(t.Context(), nil); len(report.Jobs) != tt.runs {
				t.Errorf("%d jobs run, want %d", len(report.Jobs), tt.runs)
			}
			text := metricsOf(t, board)
			if failed := value(text, "gitlab_runner_failed_jobs_total"); failed != tt.failed {
				t.Errorf("failed jobs %q, want %q", failed, tt.failed)
			}
			if jobs := value(text, "gitlab_runner_jobs_total"); jobs != tt.jobs {
				t.Errorf("jobs taken %q, want %q", jobs, tt.jobs)
			}
		})
	}
}

func metricsOf(t *testing.T, board *status.Board) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancelCause(t.Context())
	served := make(chan error, 1)
	go func() { served <- status.Serve(ctx, board, nil, listener, nil) }()
	defer func() {
		end(nil)
		<-served
	}()
	response, err := http.Get("http://" + listener.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// value is that of the first series of a metric; empty where there is none.
func value(text, metric string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, metric+"{") {
			return strings.TrimSpace(line[strings.LastIndex(line, " "):])
		}
	}
	return ""
}
