package executor

import (
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// engineHost is where the machine's engine is. Without one the test is skipped, or fails where LCED_REQUIRE_DOCKER is set.
func engineHost(t *testing.T) string {
	t.Helper()
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = client.DefaultDockerHost
	}
	e, err := Connect(t.Context(), Connection{Host: host})
	if err != nil {
		if os.Getenv("LCED_REQUIRE_DOCKER") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v; `make test` starts one", err)
	}
	t.Cleanup(func() { e.Close() })
	return host
}

// testJob is a job of one script in a busybox without network. The caller removes it.
func testJob(t *testing.T, e *Engine, script string) *Job {
	t.Helper()
	name := "lced-test-" + strings.ToLower(rand.Text())
	return e.NewJob(&Plan{
		Name:   name,
		Labels: map[string]string{LabelOwner: e.owner},
		Build: Build{Container: Container{
			Name: name + "-build", Mode: "none", Image: Image{Ref: "busybox:latest", Policies: []string{"if-not-present"}},
		}},
		Steps: []Step{{Section: "step_script", Title: "script", Script: script, StatusVariable: "CI_JOB_STATUS"}},
	}, func(string, string) Section { return &lines{} })
}

// hasFile tells whether the job's container has a file at its root that its image does not have.
func hasFile(t *testing.T, j *Job, name string) bool {
	t.Helper()
	res, err := j.engine.docker.ContainerDiff(t.Context(), j.shell.id, client.ContainerDiffOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(res.Changes, func(c container.FilesystemChange) bool { return c.Path == name })
}
