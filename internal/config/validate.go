package config

import (
	"net"
	"net/url"
	"os"
	"path"
	"strings"

	"lced-runner/jobapi"
)

// validate checks what spans several keys, for each runner. root gives the lines.
func (p *problems) validate(c *Config, root *node, env func(string) string, look func(*problems, *Runner, *node)) {
	if len(c.Runners) == 0 {
		p.warn(0, "", "there is no [[runners]] table, so there is nothing to do: add one with the url of your GitLab and the token of a runner made there")
	}
	p.sessionServer(&c.SessionServer, root.child("session_server"))
	if l := &c.LCED; l.DiskHighWatermark < l.DiskLowWatermark {
		l.DiskLowWatermark = l.DiskHighWatermark
		if n := root.child("lced"); n.child("disk_low_watermark") != nil {
			p.warn(n.line, "lced.disk_low_watermark", "is above disk_high_watermark, so that is used for both: it must be lower, such as 75 below 85")
		}
	}
	tables := root.child("runners")
	for i := range c.Runners {
		r, n := &c.Runners[i], tables.items[i]
		p.runner = i + 1
		r.expand(env)
		if p.broken(p.runner) == nil { // a value that could not be read must not be called missing
			p.validateRunner(r, n)
		}
		if r.Disabled == "" && p.broken(p.runner) == nil {
			look(p, r, n)
		}
		if e := p.broken(p.runner); e != nil {
			r.Disabled = e.Error()
		}
	}
	p.runner = 0
}

// sessionServer switches the web terminals off where GitLab could never reach them, as gitlab-runner leaves it to be found out.
func (p *problems) sessionServer(s *SessionServer, n *node) {
	host, _, err := net.SplitHostPort(s.ListenAddress)
	if err != nil || s.AdvertiseAddress != "" {
		return
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		p.warn(n.line, "session_server.listen_address", "is every address of this machine, so GitLab would not know where to connect, and web terminals are off: set advertise_address to the one by which it reaches this machine")
		s.ListenAddress = ""
	}
}

// expand puts the variables of the runner's environment into url and token.
func (r *Runner) expand(env func(string) string) {
	r.RawURL, r.RawToken = r.URL, r.Token
	r.URL = os.Expand(r.URL, env)
	r.Token = jobapi.Secret(os.Expand(r.Token.Reveal(), env))
}

func (p *problems) validateRunner(r *Runner, n *node) {
	if r.Disabled = r.unusable(); r.Disabled != "" {
		p.warn(n.line, "runners", "this runner takes no jobs: %s", r.Disabled)
		return
	}
	p.url(r, n.child("url"))
	docker := n.child("docker")
	if docker == nil {
		p.fail(n.line, "runners.docker", `is missing: add a [runners.docker] table with at least image = "..."`)
		return
	}
	if r.Docker.Image == "" {
		p.warn(docker.line, "runners.docker.image", "is missing: jobs that name no image will fail")
	}
	if image := r.Docker.HelperImage; strings.Contains(path.Base(image), "gitlab-runner-helper") {
		p.warn(docker.lineOf("helper_image"), "runners.docker.helper_image", "is not used: %s is gitlab-runner's, and lced-runner takes its own image; remove the key", image)
		r.Docker.HelperImage = ""
	}
	p.volumes(r.Docker.Volumes, docker.child("volumes"))
	p.conflicts(r, docker)
	if table := n.child("feature_flags"); table != nil {
		flagNotes(p, r.FeatureFlags, table)
	}
	if table := n.child("cache"); table != nil {
		if why := r.Cache.Unusable(); why != "" {
			p.warn(table.line, "runners.cache", "is not used, caches are kept on this machine: %s", why)
		}
	}
	if r.TLSCertFile == "" != (r.TLSKeyFile == "") {
		p.fail(n.line, "runners.tls-cert-file", "needs tls-key-file, as that needs this: set both or none")
	}
}

// unusable says why a runner cannot take jobs although nothing in the file is wrong as such; the other runners work.
func (r *Runner) unusable() string {
	switch {
	case !strings.EqualFold(r.Executor, "docker"):
		return `its executor is "` + r.Executor + `", and lced-runner has "docker" only`
	case r.Shell != "" && r.Shell != "bash" && r.Shell != "sh":
		return `its shell is "` + r.Shell + `", and lced-runner has "bash" and "sh" only`
	case strings.TrimSpace(r.Token.Reveal()) == "" && r.RawToken != "":
		return "its token is empty once the variables of the runner's environment are put in"
	case strings.TrimSpace(r.Token.Reveal()) == "":
		return "it has no token: register it again, or copy the token from GitLab"
	case r.URL == "":
		return "it has no url: set it to GitLab's address"
	case !strings.Contains(r.URL, "://"):
		return "its url is \"" + r.URL + "\": set it to GitLab's address, such as https://gitlab.example.com"
	}
	return ""
}

// url takes off what GitLab's address must not end in.
func (p *problems) url(r *Runner, n *node) {
	r.URL = strings.TrimRight(strings.TrimSpace(r.URL), "/")
	if before, ok := strings.CutSuffix(r.URL, "/ci"); ok {
		p.warn(n.line, "runners.url", "the /ci at its end is from old times and is left out: remove it")
		r.URL = strings.TrimRight(before, "/")
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		p.fail(n.line, "runners.url", "expected a URL such as https://gitlab.example.com, found %q", r.RawURL)
	}
}

func (p *problems) volumes(volumes []Volume, n *node) {
	lines := map[string]int{}
	for i, v := range volumes {
		destination := path.Clean(v.Destination)
		if first, twice := lines[destination]; twice {
			p.fail(n.items[i].line, "runners.docker.volumes", "%s is already mounted by the entry in line %d: keep one of them", destination, first)
			continue
		}
		lines[destination] = n.items[i].line
	}
}
