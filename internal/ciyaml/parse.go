package ciyaml

import (
	"slices"
	"strings"
)

// maxJobNameLength is GitLab's, in characters.
const maxJobNameLength = 255

// Parse reads the text of a .gitlab-ci.yml. The name of the file is only used in errors, which all read
// "file:line: what is wrong".
func Parse(data []byte, file string) (*Pipeline, error) {
	from := source{file: file}
	root, err := (&resolver{source: from}).document(data)
	if err != nil {
		return nil, err
	}
	r := reader{containers{from}}
	if root.kind != yamlMapping {
		return nil, r.errorf(root.line, "the file must be a mapping of keywords and jobs, this is %s", root.describe())
	}
	pipeline := &Pipeline{}
	var defaults jobKeywords
	var jobs []entry
	for _, e := range root.entries {
		isJob, err := r.global(pipeline, &defaults, e)
		if err != nil {
			return nil, err
		}
		if isJob {
			jobs = append(jobs, e)
		}
	}
	if pipeline.Stages == nil {
		pipeline.Stages = withEdges([]string{"build", "test", "deploy"})
	}
	for _, e := range jobs {
		job, err := r.job(e, defaults, pipeline.Stages)
		if err != nil {
			return nil, err
		}
		pipeline.Jobs = append(pipeline.Jobs, job)
	}
	if err := (orderReader{r.source}).checkReferences(pipeline); err != nil {
		return nil, err
	}
	return pipeline, r.anyOrdinaryJob(pipeline, root.line)
}

// global reads one top-level entry, or says that it is a visible job.
func (r reader) global(pipeline *Pipeline, defaults *jobKeywords, e entry) (isJob bool, err error) {
	if strings.HasPrefix(e.key, ".") {
		return false, nil
	}
	if isTopLevelKeyword(e.key) && e.value.isNull() {
		return false, nil
	}
	switch e.key {
	case "stages":
		names, err := r.stringList(e.value, `"stages"`)
		pipeline.Stages = withEdges(names)
		return false, err
	case "variables":
		pipeline.Variables, err = r.variables(e.value, "the pipeline", true)
		return false, err
	case "default":
		return false, r.defaults(defaults, e.value)
	case "image", "services", "before_script", "after_script", "cache":
		// The form from before default: existed; GitLab still takes it.
		if defaults.has(e.key) {
			return false, r.errorf(e.line, "%q is both in default and at the top level: keep the one in default", e.key)
		}
		_, err := r.keyword(defaults, e, "the pipeline")
		return false, err
	case "include", "workflow", "spec":
		return false, r.errorf(e.line, "keyword %q is not supported by exec yet", e.key)
	}
	return true, nil
}

func isTopLevelKeyword(key string) bool {
	switch key {
	case "stages", "variables", "default", "image", "services", "before_script", "after_script", "cache":
		return true
	}
	return false
}

func (r reader) defaults(defaults *jobKeywords, value node) error {
	if value.kind != yamlMapping {
		return r.errorf(value.line, `"default" must be a mapping, this is %s`, value.describe())
	}
	for _, e := range value.entries {
		if defaults.has(e.key) {
			return r.errorf(e.line, "%q is both in default and at the top level: keep the one in default", e.key)
		}
		known, err := r.keyword(defaults, e, "default")
		if err != nil {
			return err
		}
		if !known {
			return r.errorf(e.line, "keyword %q of default is not supported by exec yet", e.key)
		}
	}
	return nil
}

// withEdges puts the two stages that every pipeline has at their places and leaves repeated names out.
func withEdges(names []string) []string {
	stages := []string{".pre"}
	for _, name := range names {
		if !slices.Contains(stages, name) && name != ".post" {
			stages = append(stages, name)
		}
	}
	return append(stages, ".post")
}

// anyOrdinaryJob applies GitLab's rule that a pipeline needs a job outside of .pre and .post.
func (r reader) anyOrdinaryJob(pipeline *Pipeline, line int) error {
	for _, job := range pipeline.Jobs {
		if job.Stage != ".pre" && job.Stage != ".post" {
			return nil
		}
	}
	if len(pipeline.Jobs) == 0 {
		return r.errorf(line, "no visible job: the file needs at least one job whose name does not start with a dot")
	}
	return r.errorf(line, "only jobs of the stages .pre and .post: the file needs at least one job in another stage")
}
