package ciyaml

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// reader reads the keywords of jobs, of default and of the top level out of resolved nodes.
type reader struct{ containers }

// jobKeywords are the keywords that a job may inherit from default. A nil field was not given.
type jobKeywords struct {
	image        *Image
	services     []Service
	beforeScript []string
	afterScript  []string
	tags         []string
	timeout      *time.Duration
	preGet       []string
	artifacts    *Artifacts
	caches       []Cache
}

func (k *jobKeywords) has(keyword string) bool {
	switch keyword {
	case "image":
		return k.image != nil
	case "services":
		return k.services != nil
	case "before_script":
		return k.beforeScript != nil
	case "after_script":
		return k.afterScript != nil
	case "cache":
		return k.caches != nil
	}
	return false
}

// keyword reads one entry of a job, of default or of the top level if it is one that can be inherited. A null value
// counts as not given.
func (r reader) keyword(into *jobKeywords, e entry, owner string) (known bool, err error) {
	what := fmt.Sprintf("%q of %s", e.key, owner)
	if e.value.isNull() {
		return isInheritable(e.key), nil
	}
	switch e.key {
	case "image":
		into.image, err = r.image(e.value, what)
	case "services":
		into.services, err = r.services(e.value, owner)
	case "before_script":
		into.beforeScript, err = r.script(e.value, what)
	case "after_script":
		into.afterScript, err = r.script(e.value, what)
	case "tags":
		into.tags, err = r.stringList(e.value, what)
	case "timeout":
		into.timeout, err = r.timeout(e.value, what)
	case "hooks":
		into.preGet, err = r.hooks(e.value, owner)
	case "artifacts":
		into.artifacts, err = artifactsReader{r.source}.artifacts(e.value, owner)
	case "cache":
		into.caches, err = cacheReader{r.source}.caches(e.value, what)
	default:
		return false, nil
	}
	return true, err
}

func isInheritable(keyword string) bool {
	switch keyword {
	case "image", "services", "before_script", "after_script", "tags", "timeout", "hooks", "artifacts", "cache":
		return true
	}
	return false
}

func (r reader) job(e entry, defaults jobKeywords, stages []string) (Job, error) {
	owner := fmt.Sprintf("job %q", e.key)
	job := Job{Name: e.key, Line: e.line, Stage: "test", When: "on_success"}
	if err := r.jobName(e); err != nil {
		return Job{}, err
	}
	if e.value.kind != yamlMapping {
		return Job{}, r.errorf(e.line, "%s must be a mapping with a script, this is %s", owner, e.value.describe())
	}
	own := defaults
	for _, k := range e.value.entries {
		known, err := r.keyword(&own, k, owner)
		if !known && err == nil {
			known, err = r.jobOnlyKeyword(&job, k, owner)
		}
		if err != nil {
			return Job{}, err
		}
		if !known {
			return Job{}, r.errorf(k.line, "keyword %q of %s is not supported by exec yet", k.key, owner)
		}
	}
	if len(job.Script) == 0 {
		return Job{}, r.errorf(e.line, "%s has no script: give it script: with at least one command", owner)
	}
	if !slices.Contains(stages, job.Stage) {
		return Job{}, r.errorf(e.line, "%s is in stage %q, which does not exist; stages are %s", owner, job.Stage, strings.Join(stages, ", "))
	}
	if _, given := e.value.get("allow_failure"); !given && job.When == "manual" {
		job.AllowFailure = true
	}
	job.inherit(own)
	return job, nil
}

func (j *Job) inherit(k jobKeywords) {
	j.Image, j.Services, j.Tags = k.image, k.services, k.tags
	j.BeforeScript, j.AfterScript, j.PreGetSources = k.beforeScript, k.afterScript, k.preGet
	j.Artifacts, j.Caches = k.artifacts, k.caches
	if k.timeout != nil {
		j.Timeout = *k.timeout
	}
}

func (r reader) jobOnlyKeyword(job *Job, e entry, owner string) (known bool, err error) {
	what := fmt.Sprintf("%q of %s", e.key, owner)
	switch e.key {
	case "script", "variables", "stage", "when", "allow_failure", "dependencies", "needs":
		if e.value.isNull() {
			return true, nil
		}
	}
	switch e.key {
	case "script":
		job.Script, err = r.script(e.value, what)
	case "variables":
		job.Variables, err = r.variables(e.value, owner, false)
	case "stage":
		job.Stage, err = r.text(e.value, what)
	case "when":
		job.When, err = r.oneOf(e.value, what, "on_success", "on_failure", "always", "manual", "never")
	case "allow_failure":
		err = r.allowFailure(job, e.value, what)
	case "dependencies":
		job.Dependencies, err = r.stringList(e.value, what)
	case "needs":
		job.Needs, err = orderReader{r.source}.needs(e.value, what)
	default:
		return false, nil
	}
	return true, err
}

// jobName refuses what GitLab refuses, and keywords that were meant to be inside a job.
func (r reader) jobName(e entry) error {
	switch e.key {
	case "true", "false", "nil", "null", "":
		return r.errorf(e.line, "%q cannot be the name of a job", e.key)
	case "script", "stage", "tags", "when", "allow_failure", "timeout", "hooks", "rules", "only", "except", "needs",
		"artifacts", "dependencies", "environment", "extends", "retry", "parallel", "trigger", "inherit",
		"interruptible", "resource_group", "release", "secrets", "id_tokens", "coverage", "run", "inputs", "types":
		return r.errorf(e.line, "keyword %q is at the top level: put it into a job, no job can have this name", e.key)
	}
	if utf8.RuneCountInString(e.key) > maxJobNameLength {
		return r.errorf(e.line, "name of job %.20q... is longer than %d characters", e.key, maxJobNameLength)
	}
	return nil
}

// allowFailure reads a boolean, or a mapping with the exit codes for which a failure is allowed.
func (r reader) allowFailure(job *Job, value node, what string) (err error) {
	if value.kind != yamlMapping {
		job.AllowFailure, err = r.boolean(value, what)
		return err
	}
	for _, e := range value.entries {
		if e.key != "exit_codes" {
			return r.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
		codes := e.value.items
		if e.value.kind != yamlSequence {
			codes = []node{e.value}
		}
		for _, code := range codes {
			number, err := r.integer(code, "an exit code in "+what)
			if err != nil {
				return err
			}
			job.AllowedExitCodes = append(job.AllowedExitCodes, number)
		}
	}
	if len(job.AllowedExitCodes) == 0 {
		return r.errorf(value.line, "%s needs at least one of exit_codes", what)
	}
	return nil
}
