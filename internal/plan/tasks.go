package plan

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/helper"
)

// makeTasks writes the helper container and its stages, where the job needs any.
func makeTasks(c *compiler, p *executor.Plan, vols *volumes) error {
	if c.strategy == string(helper.StrategyNone) {
		p.Volumes = opened(p.Volumes)
		return nil
	}
	d := &c.Runner.Docker
	o := executor.Options{DNSSearch: d.DNSSearch, ExtraHosts: d.ExtraHosts}
	for _, a := range d.DNS {
		o.DNS = append(o.DNS, a.String())
	}
	h := &executor.Helper{
		Command: []string{binary, "helper", "stage"}, Refusal: helper.ExitBadRequest,
		Container: executor.Container{
			Name: c.names.unique + "-predefined", Hostname: hostnameOf(c),
			Entrypoint: []string{binary}, Cmd: []string{"helper", "idle"}, Binds: vols.helper, Options: o, Mode: "bridge",
		},
	}
	// Where the configuration names a network, GitLab may be reachable on that one only.
	if mode := d.NetworkMode; userNetwork(mode) {
		h.Mode, h.Networks = "", []executor.Attachment{{Network: mode}}
	} else if mode != "" {
		h.Mode = mode
	}
	p.Helper = h

	clean := c.Runner.CleanGitConfig == nil || *c.Runner.CleanGitConfig
	base := helper.Request{BuildsDir: c.dirs.builds, ProjectDir: c.dirs.project, TempDir: c.dirs.temp, Env: c.vars.env(false)}
	prepare, sources, cleanup := base, base, base
	prepare.Stage, prepare.Prepare = helper.StagePrepare, &helper.Prepare{RunnerHost: c.RunnerHost, ChmodDirs: vols.open}
	sources.Stage, sources.Sources = helper.StageGetSources, makeSources(c, clean)
	c.vars.files(func(name, content string) {
		sources.FileVariables = append(sources.FileVariables, helper.File{Name: name, Content: []byte(content)})
	})
	cleanup.Stage, cleanup.Cleanup = helper.StageCleanup, &helper.Cleanup{CleanGitConfig: clean}
	c.vars.files(func(name, _ string) { cleanup.Cleanup.FileVariables = append(cleanup.Cleanup.FileVariables, name) })

	add := func(list []executor.Task, title string, optional bool, r helper.Request) ([]executor.Task, error) {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("write the request for %s: %w", r.Stage, err)
		}
		return append(list, executor.Task{Section: r.Stage, Title: title, Request: text, Optional: optional}), nil
	}
	var err error
	if p.Before, err = add(p.Before, "Preparing environment", false, prepare); err != nil {
		return err
	}
	if p.Before, err = add(p.Before, "Getting source from Git repository", false, sources); err != nil {
		return err
	}
	p.Finally, err = add(p.Finally, "Cleaning up project directory and file based variables", true, cleanup)
	return err
}

// opened makes volumes writable for every user where no helper will do it.
func opened(vols []executor.Volume) []executor.Volume {
	for i := range vols {
		if _, ours := vols[i].Labels["com.gitlab.gitlab-runner.reusable"]; ours {
			vols[i].Open = true
		}
	}
	return vols
}

// makeSources writes down what git has to do (docker-executor contract 4).
func makeSources(c *compiler, clean bool) *helper.Sources {
	g, v := &c.Job.GitInfo, c.vars
	depth := g.Depth
	s := &helper.Sources{
		Strategy: helper.Strategy(c.strategy), RepoURL: repoURL(c), BaseURL: strings.TrimRight(c.Runner.URL, "/"),
		Username: "gitlab-ci-token", Token: c.Job.Token.Reveal(), ObjectFormat: g.RepoObjectFormat,
		SHA: g.SHA, Ref: g.Ref, Refspecs: g.Refspecs, Depth: depth,
		FetchFlags: wordsOf(c, "GIT_FETCH_EXTRA_FLAGS", "--prune --quiet"), CleanFlags: wordsOf(c, "GIT_CLEAN_FLAGS", "-ffdx"),
		Checkout:             v.bool("GIT_CHECKOUT", true) && c.strategy != string(helper.StrategyEmpty),
		SubmoduleStrategy:    helper.SubmoduleStrategy(v.get("GIT_SUBMODULE_STRATEGY")),
		SubmodulePaths:       strings.Fields(v.get("GIT_SUBMODULE_PATHS")),
		SubmoduleDepth:       depth,
		SubmoduleUpdateFlags: strings.Fields(v.get("GIT_SUBMODULE_UPDATE_FLAGS")),
		SubmoduleForceHTTPS:  v.bool("GIT_SUBMODULE_FORCE_HTTPS", false),
		ServerHost:           v.get("CI_SERVER_HOST"), ServerSSHHost: v.get("CI_SERVER_SHELL_SSH_HOST"), ServerSSHPort: v.get("CI_SERVER_SHELL_SSH_PORT"),
		SkipLFS:   v.bool("GIT_LFS_SKIP_SMUDGE", false),
		CACertPEM: c.ServerCA, ClientCertPEM: c.ClientCert, ClientKeyPEM: c.ClientKey,
		UserAgent: "lced-runner " + c.Version + " " + c.Facts.Platform,
		PreHooks:  hooksOf(c, "pre_get_sources_script", c.Runner.PreGetSourcesScript, true),
		PostHooks: hooksOf(c, "post_get_sources_script", c.Runner.PostGetSourcesScript, false),
		Attempts:  attemptsOf(c, "GET_SOURCES_ATTEMPTS"), SafeDirectory: c.Runner.SafeDirectoryCheckout, CleanGitConfig: clean,
	}
	if c.Runner.CloneURL != "" {
		s.BaseURL = strings.TrimRight(c.Runner.CloneURL, "/")
	}
	if n, err := strconv.Atoi(v.get("GIT_SUBMODULE_DEPTH")); err == nil {
		s.SubmoduleDepth = n
	}
	return s
}

// repoURL is the repository's address without credentials, with clone_url in place of GitLab's own.
func repoURL(c *compiler) string {
	if c.Runner.CloneURL != "" {
		return strings.TrimRight(c.Runner.CloneURL, "/") + "/" + c.vars.get("CI_PROJECT_PATH") + ".git"
	}
	u, err := url.Parse(c.Job.GitInfo.RepoURL)
	if err != nil {
		return c.Job.GitInfo.RepoURL
	}
	u.User = nil
	return u.String()
}

// wordsOf are the words of a variable; nil for "none".
func wordsOf(c *compiler, name, def string) []string {
	text, set := c.vars.lookup(name)
	if !set {
		text = def
	}
	if text == "none" {
		return nil
	}
	return strings.Fields(text)
}

// attemptsOf are clamped to 1…10 (job-api contract 3.3).
func attemptsOf(c *compiler, name string) int {
	text := c.vars.get(name)
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10 {
		c.warn("%s is %q, expected a number from 1 to 10: using 1", name, text)
		return 1
	}
	return n
}

// hooksOf are the scripts around get_sources: before it the configuration's comes first, after it the job's.
func hooksOf(c *compiler, name, configured string, configuredFirst bool) []string {
	var scripts []string
	for _, h := range c.Job.Hooks {
		if h.Name == name && len(h.Script) > 0 {
			scripts = append(scripts, hookScript(c, h.Script))
		}
	}
	if configured == "" {
		return scripts
	}
	own := hookScript(c, []string{configured})
	if configuredFirst {
		return append([]string{own}, scripts...)
	}
	return append(scripts, own)
}

// hookScript is a whole script for the helper's shell, which reads it from stdin: its commands must not.
func hookScript(c *compiler, lines []string) string {
	return "set -o errexit\neval " + executor.Quote(scriptBody(c, lines)) + " </dev/null\n"
}
