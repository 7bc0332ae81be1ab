package plan

import (
	"errors"
	"testing"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// TestRemappedUsers: on an engine that remaps users only what is privileged has the host's, and the sidecar gives back what it
// left in the checkout.
func TestRemappedUsers(t *testing.T) {
	t.Parallel()
	for _, remaps := range []bool{false, true} {
		in := testInput()
		runner := config.DefaultRunner()
		runner.Token, runner.Dind.Privileged = "glrt-runnertoken123456", true
		in.Runner, in.Facts.Remaps = &runner, remaps
		in.Job.Image.Name, in.Job.Steps = "docker:latest", []jobapi.Step{{Name: "script", Script: []string{"true"}}}
		in.Job.Services = []jobapi.Image{{Name: "redis"}}
		if remaps {
			_, err := Compile(in)
			unknown, ok := errors.AsType[*UnknownImageError](err)
			if !ok {
				t.Fatalf("%v, want a question about the sidecar's image", err)
			}
			in.Images = map[string]executor.ImageConfig{unknown.Image.Ref: {Entrypoint: []string{"/own.sh"}}}
		}
		c, err := Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		redis, sidecar := c.Plan.Services[0], c.Plan.Services[1]
		want := ""
		if remaps {
			want = "host"
		}
		if sidecar.Options.UsernsMode != want || remaps != (len(sidecar.Finish) > 0) {
			t.Errorf("remapping %v: the sidecar has users of %q and ends with %q", remaps, sidecar.Options.UsernsMode, sidecar.Finish)
		}
		if remaps != (len(sidecar.Entrypoint) > 1 && sidecar.Entrypoint[len(sidecar.Entrypoint)-1] == "/own.sh") {
			t.Errorf("remapping %v: the sidecar's entrypoint is %q", remaps, sidecar.Entrypoint)
		}
		if c.Plan.Build.Options.UsernsMode != "" || redis.Options.UsernsMode != "" || redis.Finish != nil {
			t.Errorf("remapping %v: build container and service have users of %q and %q", remaps, c.Plan.Build.Options.UsernsMode, redis.Options.UsernsMode)
		}
	}
}
