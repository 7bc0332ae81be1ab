package plan

import (
	"net/url"
	"path"
	"strconv"
	"strings"

	"lced-runner/internal/helper"
)

// dirs are the job's directories inside the containers (docker-executor contract 2.6).
type dirs struct {
	builds  string // CI_BUILDS_DIR
	project string // CI_PROJECT_DIR
	temp    string // RUNNER_TEMP_PROJECT_DIR
}

func chooseDirs(c *compiler) error {
	d := dirs{builds: path.Clean(c.Runner.BuildsDir)}
	slug := slugOf(c)
	if buildsOnHost(c, d.builds) {
		// Jobs that run at the same time share the host's directory, so each slot has its own below it.
		slug = path.Join(c.names.short, strconv.Itoa(c.ProjectSlot), slug)
	}
	d.project = path.Join(d.builds, slug)
	if custom := c.vars.get("GIT_CLONE_PATH"); custom != "" {
		if !c.Runner.CustomBuildDir.Enabled {
			return refuse("the job sets GIT_CLONE_PATH, which this runner does not allow: set enabled = true in [runners.custom_build_dir]")
		}
		d.project = path.Clean(custom)
		if !strings.HasPrefix(d.project, d.builds+"/") {
			return refuse("GIT_CLONE_PATH is %s, which is not inside the builds directory %s", d.project, d.builds)
		}
	}
	if c.strategy == string(helper.StrategyEmpty) {
		d.project += "-empty"
	}
	d.temp = d.project + ".tmp"
	c.dirs = d
	return nil
}

// slugOf is the path of the repository's URL.
func slugOf(c *compiler) string {
	u, err := url.Parse(c.Job.GitInfo.RepoURL)
	if err == nil {
		if p := strings.Trim(path.Clean("/"+strings.TrimSuffix(u.Path, ".git")), "/"); p != "" {
			return p
		}
	}
	return "project-" + strconv.FormatInt(c.Job.JobInfo.ProjectID, 10)
}

// buildsOnHost reports whether a configured volume with a source covers the builds directory.
func buildsOnHost(c *compiler, builds string) bool {
	for _, v := range c.Runner.Docker.Volumes {
		dest := path.Clean(v.Destination)
		if v.Source != "" && (dest == builds || strings.HasPrefix(builds, dest+"/")) {
			return true
		}
	}
	return false
}

// gitStrategy is GIT_STRATEGY; a value that is none of GitLab's is told and ignored.
func gitStrategy(c *compiler) string {
	def := string(helper.StrategyClone)
	if c.Job.AllowGitFetch {
		def = string(helper.StrategyFetch)
	}
	switch s := c.vars.get("GIT_STRATEGY"); helper.Strategy(s) {
	case "":
		return def
	case helper.StrategyClone, helper.StrategyFetch, helper.StrategyNone, helper.StrategyEmpty:
		return s
	default:
		c.warn("GIT_STRATEGY is %q, expected clone, fetch, none or empty: using %s", s, def)
		return def
	}
}

// checkSubmodules refuses a GIT_SUBMODULE_STRATEGY that is none of GitLab's: to ignore it would build without the submodules.
func checkSubmodules(c *compiler) error {
	switch s := c.vars.get("GIT_SUBMODULE_STRATEGY"); helper.SubmoduleStrategy(s) {
	case "", helper.SubmodulesNone, helper.SubmodulesNormal, helper.SubmodulesRecursive:
		return nil
	default:
		return refuse("unknown GIT_SUBMODULE_STRATEGY %q: use none, normal or recursive", s)
	}
}
