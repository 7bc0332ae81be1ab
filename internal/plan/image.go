package plan

import (
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/jobapi"
)

// buildImage is the image of the build container: the job's, else the configuration's.
func buildImage(c *compiler) (executor.Image, error) {
	d := &c.Runner.Docker
	name := c.vars.expand(c.Job.Image.Name)
	if name == "" {
		if name = c.vars.expand(d.Image); name == "" {
			return executor.Image{}, refuse("no Docker image specified to run the job in: the job has no image: and [runners.docker] no image")
		}
	} else if name != c.vars.expand(d.Image) && !matches(d.AllowedImages, name) {
		return executor.Image{}, refuse("image %s is not one of the images that this runner allows: %s (allowed_images in [runners.docker])", name, strings.Join(d.AllowedImages, ", "))
	}
	return makeImage(c, name, c.Job.Image)
}

// makeImage completes an image by pull policy, platform and credentials.
func makeImage(c *compiler, name string, of jobapi.Image) (executor.Image, error) {
	policies, err := pullPolicies(c, name, of.PullPolicy)
	if err != nil {
		return executor.Image{}, err
	}
	img := executor.Image{Ref: name, Policies: policies, Platform: c.vars.expand(of.ExecutorOpts.Docker.Platform)}
	img.Auth, img.AuthFrom = credentialsFor(c, name)
	return img, nil
}

// pullPolicies are the job's, else the configuration's, as far as the configuration allows them.
func pullPolicies(c *compiler, image string, asked []string) ([]string, error) {
	d := &c.Runner.Docker
	policies, source := asked, "GitLab pipeline config"
	if len(policies) == 0 {
		policies, source = d.PullPolicy, "Runner config"
	}
	allowed := d.AllowedPullPolicies
	if len(allowed) == 0 {
		allowed = d.PullPolicy
	}
	var effective []string
	for _, p := range policies {
		if slices.Contains(allowed, p) {
			effective = append(effective, p)
		}
	}
	if len(effective) == 0 {
		return nil, refuse("invalid pull policy for image %q: pull_policy (%v) defined in %s is not one of the allowed_pull_policies (%v)", image, policies, source, allowed)
	}
	return effective, nil
}

// matches reports whether the name matches one of the globs; no globs allow everything. As in gitlab-runner * does not
// cross a slash and ** does.
func matches(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	return slices.ContainsFunc(globs, func(g string) bool {
		ok, err := doublestar.Match(g, name)
		return err == nil && ok
	})
}

func makeBuild(c *compiler, img executor.Image, s *sidecars, vols *volumes) (executor.Build, error) {
	d := &c.Runner.Docker
	user, err := userOf(c)
	if err != nil {
		return executor.Build{}, err
	}
	b := executor.Build{
		Container: executor.Container{
			Name: c.names.unique + "-build", Image: img, Env: c.vars.env(false),
			Hostname: hostnameOf(c), User: user,
			Privileged: d.Privileged && matches(d.AllowedPrivilegedImages, img.Ref),
			Binds:      vols.build, Labels: containerLabels(c, false), Options: buildOptions(c),
		},
		// With pid_mode a signal to all processes would be one to those of the host, or of another container, as well.
		NativeStop: c.flags["FF_USE_NATIVE_CONTAINER_STOP"] || d.PidMode != "",
	}
	// Images of databases have an entrypoint of the same name, which does not just exec its arguments.
	if dind.HasDockerCLI(img.Ref) || dind.IsDind(img.Ref) {
		b.EarlyEntrypoints = []string{"docker-entrypoint.sh", "dockerd-entrypoint.sh"}
	}
	b.Entrypoint = entrypointOf(c, c.Job.Image.Entrypoint)
	aliases := []string{"build", b.Name}
	switch mode := networkMode(c); {
	case mode == "":
		b.Networks = []executor.Attachment{{Network: c.names.network, Aliases: aliases}}
	case !userNetwork(mode):
		b.Mode = mode
	case s.any():
		b.Networks = []executor.Attachment{{Network: c.names.network, Aliases: aliases}, {Network: mode, Aliases: aliases}}
	default:
		b.Networks = []executor.Attachment{{Network: mode, Aliases: aliases}}
	}
	if networkMode(c) == "bridge" && s.any() {
		// The default bridge has no name server; a second network beside it has.
		b.Mode, b.Networks = "", []executor.Attachment{{Network: c.names.network, Aliases: aliases}, {Network: "bridge"}}
	}
	return b, nil
}

// networkMode is the configuration's. Links are to containers on the default bridge, so a configuration with links and
// without a mode means that network, which is gitlab-runner's default.
func networkMode(c *compiler) string {
	if d := &c.Runner.Docker; d.NetworkMode != "" || len(d.Links) == 0 {
		return d.NetworkMode
	}
	return "bridge"
}

// userOf is the configuration's, which beats the job's, if it is allowed.
func userOf(c *compiler) (string, error) {
	d := &c.Runner.Docker
	user := d.User
	if user == "" {
		user = c.vars.expand(c.Job.Image.ExecutorOpts.Docker.User)
	}
	if user != "" && len(d.AllowedUsers) > 0 && !slices.Contains(d.AllowedUsers, user) {
		return "", refuse("user %q is not an allowed user: %v (allowed_users in [runners.docker])", user, d.AllowedUsers)
	}
	return user, nil
}

// hostnameOf is empty for a container in the network of another, which has its name from that.
func hostnameOf(c *compiler) string {
	if strings.HasPrefix(c.Runner.Docker.NetworkMode, "container:") {
		return ""
	}
	if c.Runner.Docker.Hostname != "" {
		return c.Runner.Docker.Hostname
	}
	return c.names.project
}

// entrypointOf is the job's unless the configuration keeps the image's.
func entrypointOf(c *compiler, asked []string) []string {
	if len(asked) == 0 || c.Runner.Docker.DisableEntrypointOverwrite {
		return nil
	}
	return asked
}

// userNetwork reports whether network_mode names a network of the operator's.
func userNetwork(mode string) bool {
	return mode != "" && mode != "host" && mode != "none" && mode != "bridge" && mode != "default" && !strings.HasPrefix(mode, "container:")
}

// makeNetwork is the job's own, where any container lives on it.
func makeNetwork(c *compiler, p *executor.Plan) *executor.Network {
	d := &c.Runner.Docker
	used := slices.ContainsFunc(p.Build.Networks, func(a executor.Attachment) bool { return a.Network == c.names.network })
	for _, s := range p.Services {
		used = used || len(s.Networks) > 0 && s.Networks[0].Network == c.names.network
	}
	if !used {
		return nil
	}
	n := &executor.Network{Name: c.names.network, MTU: c.Facts.MTU, IPv6: d.EnableIPv6}
	if d.NetworkMTU > 0 {
		n.MTU = d.NetworkMTU
	}
	if c.Network != "" {
		shareNetwork(c, n)
	}
	return n
}
