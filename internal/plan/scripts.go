package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"lced-runner/executor"
)

// makeSteps writes the user's scripts: every step but after_script in order, then after_script.
func makeSteps(c *compiler, p *executor.Plan) {
	head := scriptHead(c)
	c.vars.winners(func(one variable) {
		if tooLong(one.Key + "=" + c.vars.value(one)) {
			c.warn("%s is longer than 128 KiB: scripts have it, but programs that they start do not", one.Key)
		}
	})
	for _, s := range c.Job.Steps {
		section := "step_" + strings.ToLower(s.Name)
		if s.Name == "after_script" {
			if len(s.Script) == 0 {
				continue
			}
			p.After = &executor.Step{
				Section: "after_script", Title: "Running after_script", StatusVariable: "CI_JOB_STATUS",
				Script: head + notice("Running after script...") + scriptBody(c, s.Script),
			}
			continue
		}
		lines := s.Script
		if s.Name == "release" {
			// GitLab quotes what a release: says, and leaves its variables to the runner.
			lines = expandAll(c, lines)
		}
		if pre := c.Runner.PreBuildScript; pre != "" {
			lines = append([]string{pre}, lines...)
		}
		if post := c.Runner.PostBuildScript; post != "" {
			lines = append(lines[:len(lines):len(lines)], post)
		}
		p.Steps = append(p.Steps, executor.Step{
			Section: section, Title: fmt.Sprintf("Executing %q stage of the job script", section), StatusVariable: "CI_JOB_STATUS",
			Script: head + scriptBody(c, lines),
		})
	}
	p.StepAttempts = attemptsOf(c, "EXECUTOR_JOB_SECTION_ATTEMPTS")
	p.StepTimeout = durationOf(c, "RUNNER_SCRIPT_TIMEOUT", 0)
	p.AfterTimeout = durationOf(c, "RUNNER_AFTER_SCRIPT_TIMEOUT", 5*time.Minute)
	p.AfterMatters = !c.bool("AFTER_SCRIPT_IGNORE_ERRORS", true)
}

// durationOf reads a timeout variable; one that is malformed, negative or zero keeps the default, as in gitlab-runner.
func durationOf(c *compiler, name string, def time.Duration) time.Duration {
	text := c.vars.get(name)
	if text == "" {
		return def
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d < 0:
		c.warn("%s is %q, which is not a duration such as 10m: ignored", name, text)
		return def
	case d == 0:
		return def
	}
	if limit := Timeout(c.Job); d > limit {
		c.warn("%s is %v, longer than the job's timeout of %v: ignored", name, d, limit)
		return def
	}
	return d
}

func expandAll(c *compiler, texts []string) []string {
	out := slices.Clone(texts)
	for i := range out {
		out[i] = c.vars.expand(out[i])
	}
	return out
}

// limitOf is a time limit of the configuration. One that is longer than the job's own is ignored.
func limitOf(c *compiler, key string, limit time.Duration) time.Duration {
	if job := Timeout(c.Job); limit > job {
		c.warn("%s of the runner's configuration is %v, longer than the job's timeout of %v: ignored", key, limit, job)
		return 0
	}
	return limit
}

// scriptHead is the beginning of every script: variables, those that earlier scripts left in GITLAB_ENV, and the directory.
func scriptHead(c *compiler) string {
	var b strings.Builder
	b.WriteString(c.vars.exports())
	env := executor.Quote(path.Join(c.dirs.temp, "gitlab_runner_env"))
	fmt.Fprintf(&b, "touch %s\nwhile read -r lced_line || [ -n \"$lced_line\" ]; do [ -z \"$lced_line\" ] || export \"$lced_line\"; done <%s\nunset lced_line\n", env, env)
	project := executor.Quote(c.dirs.project)
	fmt.Fprintf(&b, "mkdir -p %s\ncd %s\n", project, project)
	if c.debugs("CI_DEBUG_TRACE") {
		b.WriteString("set -o xtrace\n")
	}
	return b.String()
}

// scriptBody is a list of script entries, each shown in green before it runs; of one with several lines the first is shown,
// or all of them in a collapsed section of the log where the job wants that.
func scriptBody(c *compiler, entries []string) string {
	sections := c.flags["FF_SCRIPT_SECTIONS"] && c.Job.Features.TraceSections
	var b strings.Builder
	for i, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			b.WriteString("echo\n")
			continue
		}
		shown, _, multi := strings.Cut(entry, "\n")
		collapsed := multi && sections
		switch {
		case collapsed:
			shown = entry
			b.WriteString(marker("start", i, "[hide_duration=true,collapsed=true]"))
		case multi:
			shown += " # collapsed multi-line command"
		}
		b.WriteString(notice("$ " + shown))
		b.WriteString(entry + "\n")
		if c.flags["FF_ENABLE_BASH_EXIT_CODE_CHECK"] {
			b.WriteString("_runner_exit_code=$?; if [ \"$_runner_exit_code\" -ne 0 ]; then exit \"$_runner_exit_code\"; fi\n")
		}
		if collapsed {
			b.WriteString(marker("end", i, ""))
		}
	}
	return b.String()
}

// marker begins or ends the log section of a script entry, as FF_SCRIPT_SECTIONS names it.
func marker(kind string, entry int, options string) string {
	return fmt.Sprintf("printf 'section_%s:%%s:section_script_step_%d%s\\r\\033[0K' \"$(date +%%s)\"\n", kind, entry, options)
}

// notice is a line of the script's own in bold green.
func notice(text string) string {
	return "printf '%s\\n' " + executor.Quote("\x1b[32;1m"+text+"\x1b[0;m") + "\n"
}
