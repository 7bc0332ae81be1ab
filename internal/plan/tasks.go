package plan

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/helper"
)

// makeTasks writes the helper container and its stages, where the job needs any.
func makeTasks(c *compiler, p *executor.Plan, vols *volumes) error {
	if err := checkSubmodules(c); err != nil {
		return err
	}
	cs, err := newCaches(c)
	if err != nil {
		return err
	}
	if c.strategy == string(helper.StrategyNone) && !movesArtifacts(c.Job) && len(cs.items) == 0 && !keepsTemp(c, p.Volumes, vols.build) {
		openVolumes(p.Volumes, vols.open)
		return nil
	}
	p.Helper = makeHelper(c, vols)
	if p.Helper.Own != nil {
		p.Owned = []string{c.dirs.project, c.dirs.temp}
	}
	stages := requests(c, vols, cs)
	add := func(stage, title string, task executor.Task) ([]executor.Task, error) {
		request, needed := stages[stage]
		if !needed {
			return nil, nil
		}
		request.Stage, request.BuildsDir, request.ProjectDir, request.TempDir = stage, c.dirs.builds, c.dirs.project, c.dirs.temp
		request.Env, request.Sections = c.vars.env(false), c.Job.Features.TraceSections
		request.QuickRetries = !c.flags["FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY"]
		if c.flags["FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR"] {
			request.Umask = 0o022
		}
		text, err := json.Marshal(request)
		if err != nil {
			return nil, fmt.Errorf("write the request for %s: %w", stage, err)
		}
		task.Section, task.Title, task.Request = stage, title, text
		return []executor.Task{task}, nil
	}
	for _, stage := range []struct {
		name, title string
		list        *[]executor.Task
		task        executor.Task
	}{
		{helper.StagePrepare, "Preparing environment", &p.Before, executor.Task{Prepares: true}},
		{helper.StageGetSources, helper.TitleGetSources, &p.Before, executor.Task{Timeout: limitOf(c, "get_sources_timeout", c.Runner.GetSourcesTimeout)}},
		{helper.StageRestoreCache, "Restoring cache", &p.Before, executor.Task{}},
		{helper.StageDownload, "Downloading artifacts", &p.Before, executor.Task{}},
		{helper.StageArchiveCache, "Saving cache for successful job", &p.Finally, executor.Task{When: executor.OnSuccess}},
		{helper.StageArchiveOnFailure, "Saving cache for failed job", &p.Finally, executor.Task{When: executor.OnFailure}},
		{helper.StageUploadOnSuccess, "Uploading artifacts for successful job", &p.Finally, executor.Task{When: executor.OnSuccess}},
		{helper.StageUploadOnFailure, "Uploading artifacts for failed job", &p.Finally, executor.Task{When: executor.OnFailure}},
		{helper.StageCleanup, "Cleaning up project directory and file based variables", &p.Finally, executor.Task{Optional: true, Cleans: true}},
	} {
		tasks, err := add(stage.name, stage.title, stage.task)
		if err != nil {
			return err
		}
		*stage.list = append(*stage.list, tasks...)
	}
	return shareHelper(c, p, stages, cs)
}

// requests are what each stage of the job has to do; a stage without work has none.
func requests(c *compiler, vols *volumes, cs *caches) map[string]helper.Request {
	clean := c.strategy != string(helper.StrategyNone)
	if c.Runner.CleanGitConfig != nil {
		clean = *c.Runner.CleanGitConfig
	}
	sources := helper.Request{Sources: makeSources(c, clean)}
	cleanup := &helper.Cleanup{CleanGitConfig: clean}
	if c.flags["FF_ENABLE_JOB_CLEANUP"] {
		cleanup.Worktree = sources.Sources
	}
	c.vars.files(func(name, content string) {
		sources.FileVariables = append(sources.FileVariables, helper.File{Name: name, Content: []byte(content)})
		cleanup.FileVariables = append(cleanup.FileVariables, name)
	})
	stages := map[string]helper.Request{
		helper.StagePrepare:    {Prepare: &helper.Prepare{RunnerHost: c.RunnerHost, ChmodDirs: vols.open}},
		helper.StageGetSources: sources,
		helper.StageCleanup:    {Cleanup: cleanup},
	}
	if download := makeDownload(c); download != nil {
		stages[helper.StageDownload] = helper.Request{Download: download}
	}
	if restore := cs.restore(); restore != nil {
		stages[helper.StageRestoreCache] = helper.Request{Cache: restore}
	}
	for _, end := range []struct {
		when            executor.When
		archive, upload string
	}{
		{executor.OnSuccess, helper.StageArchiveCache, helper.StageUploadOnSuccess},
		{executor.OnFailure, helper.StageArchiveOnFailure, helper.StageUploadOnFailure},
	} {
		if archive := cs.archive(end.when); archive != nil {
			stages[end.archive] = helper.Request{Cache: archive}
		}
		if upload := makeUpload(c, end.when); upload != nil {
			stages[end.upload] = helper.Request{Upload: upload}
		}
	}
	return stages
}

// makeHelper is the container of the stages.
func makeHelper(c *compiler, vols *volumes) *executor.Helper {
	h := &executor.Helper{
		Command: []string{Binary, "helper", "stage"}, Refusal: helper.ExitBadRequest,
		Container: executor.Container{
			Name: c.names.unique + "-predefined", Hostname: hostnameOf(c),
			Entrypoint: []string{Binary}, Cmd: []string{"helper", "idle"}, Binds: vols.helper, Labels: containerLabels(c, false),
			Options: helperOptions(c), Mode: "bridge",
		},
	}
	if c.flags["FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR"] {
		h.Own = []string{"busybox", "chown", "-h", "-R"}
	}
	// Where the configuration names a network, GitLab may be reachable on that one only.
	if mode := networkMode(c); userNetwork(mode) {
		h.Mode, h.Networks = "", []executor.Attachment{{Network: mode}}
	} else if mode != "" {
		h.Mode = mode
	}
	return h
}

// openVolumes marks the volumes at these mount points as writable for every user: there is no helper to do it.
func openVolumes(vols []executor.Volume, targets []string) {
	for i := range vols {
		vols[i].Open = slices.Contains(targets, vols[i].Target)
	}
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
		Checkout:             c.bool("GIT_CHECKOUT", true) && c.strategy != string(helper.StrategyEmpty),
		SubmoduleStrategy:    helper.SubmoduleStrategy(v.get("GIT_SUBMODULE_STRATEGY")),
		SubmodulePaths:       strings.Fields(v.get("GIT_SUBMODULE_PATHS")),
		SubmoduleDepth:       depth,
		SubmoduleUpdateFlags: strings.Fields(v.get("GIT_SUBMODULE_UPDATE_FLAGS")),
		SubmoduleForceHTTPS:  c.bool("GIT_SUBMODULE_FORCE_HTTPS", false),
		ServerHost:           v.get("CI_SERVER_HOST"), ServerSSHHost: v.get("CI_SERVER_SHELL_SSH_HOST"), ServerSSHPort: v.get("CI_SERVER_SHELL_SSH_PORT"),
		SkipLFS:   c.bool("GIT_LFS_SKIP_SMUDGE", false),
		CACertPEM: c.ServerCA, ClientCertPEM: c.ClientCert, ClientKeyPEM: c.ClientKey,
		UserAgent: userAgent(c), BundleURIs: c.flags["FF_USE_GIT_BUNDLE_URIS"], ProactiveAuth: c.flags["FF_USE_GIT_PROACTIVE_AUTH"],
		PreHooks:  hooksOf(c, "pre_get_sources_script", c.Runner.PreGetSourcesScript, true),
		PostHooks: hooksOf(c, "post_get_sources_script", c.Runner.PostGetSourcesScript, false),
		Attempts:  attemptsOf(c, "GET_SOURCES_ATTEMPTS"), SafeDirectory: c.Runner.SafeDirectoryCheckout, CleanGitConfig: clean,
	}
	if c.flags["FF_USE_GITALY_CORRELATION_ID"] {
		s.CorrelationID = c.Job.RequestID
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

// wordsOf are the words of a variable, the default's where it has none; nil for "none", which alone switches flags off.
func wordsOf(c *compiler, name, def string) []string {
	switch words := strings.Fields(c.vars.get(name)); {
	case len(words) == 0:
		return strings.Fields(def)
	case slices.Equal(words, []string{"none"}):
		return nil
	default:
		return words
	}
}

// attemptsOf are clamped to 1…10 (job-api contract 3.3); what is no number counts as not set.
func attemptsOf(c *compiler, name string) int {
	text := c.vars.get(name)
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		n = 1
	}
	if used := min(max(n, 1), 10); err != nil || used != n {
		c.warn("%s is %q, expected a number from 1 to 10: using %d", name, text, used)
		return used
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
	debug := ""
	if c.debugs("CI_DEBUG_TRACE") {
		debug = "set -o xtrace\n"
	}
	return debug + "set -o errexit\neval " + executor.Quote(scriptBody(c, lines)) + " </dev/null\n"
}
