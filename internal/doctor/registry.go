package doctor

import (
	"context"
	"slices"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/plan"
	"lced-runner/internal/runner"
)

// registry has the engine ask for the default image, with the login that a job would use.
func (d *doctor) registry(ctx context.Context, x executor.Examiner, r *config.Runner) {
	const check = "registry"
	image := r.Docker.Image
	if image == "" || strings.Contains(image, "$") {
		return
	}
	logins, warnings, err := runner.DockerLogins(ctx, d.DockerAuth())
	if err != nil {
		d.fail(check, "mend the runner user's docker config.json", "%v", err)
		return
	}
	auth, source, more := plan.Login(r, image, logins)
	for _, w := range slices.Concat(warnings, more) {
		d.warn(check, "mend the runner user's docker config.json, or DOCKER_AUTH_CONFIG in environment", "%s", w)
	}
	with := "without a login"
	if auth != "" {
		with = "with the login of " + source
	}
	err = x.AskRegistry(ctx, image, auth)
	here, _ := x.HasImage(ctx, image)
	switch {
	case err == nil:
		d.ok(check, "gives the default image %s, %s", image, with)
	case here && !slices.Contains(r.Docker.PullPolicy, "always"):
		d.warn(check, "", "does not give the default image %s, %s, but the engine has it and pull_policy takes that: %v", image, with, err)
	case executor.IsImageMissing(err):
		d.fail(check, "check the image's name, and log in: docker login, as the user and on the machine of the runner", "does not give the default image %s, %s: %v", image, with, err)
	default:
		d.fail(check, `check that the host reaches it; a registry without TLS has to be in "insecure-registries" of /etc/docker/daemon.json, one with an authority of its own in /etc/docker/certs.d`, "cannot be asked for the default image %s, %s: %v", image, with, err)
	}
}
