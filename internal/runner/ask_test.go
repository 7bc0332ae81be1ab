package runner

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"lced-runner/jobapi"
)

// TestStopWhileAsking stops the runner while GitLab hands out a job: the runner takes it, since nobody else knows of it.
func TestStopWhileAsking(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop(errors.New("stopping"))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":7,"token":"secret","steps":[{"name":"script","script":["true"]}]}`)
	}))
	defer server.Close()
	api, err := jobapi.New(jobapi.Options{URL: server.URL, Token: "glrt-test"})
	if err != nil {
		t.Fatal(err)
	}
	job, err := (&entry{api: api}).ask(ctx, jobapi.Ask{AtOnce: true})
	if err != nil || job == nil || job.ID != 7 {
		t.Errorf("the job is %v, %v", job, err)
	}
}
