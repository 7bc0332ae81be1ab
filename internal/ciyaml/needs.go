package ciyaml

import (
	"fmt"
	"slices"
)

// Need is one entry of needs: an earlier job that a job waits for, instead of for all earlier stages.
type Need struct {
	Job       string
	Artifacts bool // its artifacts are downloaded
	Optional  bool // it need not exist
}

// orderReader reads what jobs say of each other.
type orderReader struct{ source }

func (r orderReader) needs(value node, what string) ([]Need, error) {
	if value.kind != yamlSequence {
		return nil, r.errorf(value.line, "%s must be a list, this is %s", what, value.describe())
	}
	needs := []Need{}
	for _, item := range value.items {
		need, err := r.need(item, what)
		if err != nil {
			return nil, err
		}
		needs = append(needs, need)
	}
	return needs, nil
}

func (r orderReader) need(item node, what string) (need Need, err error) {
	need.Artifacts = true
	if item.kind != yamlMapping {
		need.Job, err = r.text(item, "an entry of "+what)
		return need, err
	}
	for _, e := range item.entries {
		of := fmt.Sprintf("%q in %s", e.key, what)
		switch e.key {
		case "job":
			need.Job, err = r.text(e.value, of)
		case "artifacts":
			need.Artifacts, err = r.boolean(e.value, of)
		case "optional":
			need.Optional, err = r.boolean(e.value, of)
		default:
			err = r.errorf(e.line, "keyword %s is not supported by exec yet: only jobs of the same pipeline can be needed", of)
		}
		if err != nil {
			return Need{}, err
		}
	}
	if need.Job == "" {
		err = r.errorf(item.line, "an entry of %s names no job", what)
	}
	return need, err
}

// checkReferences looks at what jobs say of each other, once all are read.
func (r orderReader) checkReferences(p *Pipeline) error {
	jobs := map[string]*Job{}
	for i := range p.Jobs {
		jobs[p.Jobs[i].Name] = &p.Jobs[i]
	}
	stageOf := func(j *Job) int { return slices.Index(p.Stages, j.Stage) }
	for i := range p.Jobs {
		j := &p.Jobs[i]
		for _, need := range j.Needs {
			other, known := jobs[need.Job]
			switch {
			case !known && !need.Optional:
				return r.errorf(j.Line, "job %q needs job %q, which does not exist", j.Name, need.Job)
			case known && stageOf(other) > stageOf(j):
				return r.errorf(j.Line, "job %q needs job %q, which is in a later stage", j.Name, need.Job)
			}
		}
		for _, name := range j.Dependencies {
			other, known := jobs[name]
			switch {
			case !known:
				return r.errorf(j.Line, "job %q depends on job %q, which does not exist", j.Name, name)
			case j.Needs != nil && !slices.ContainsFunc(j.Needs, func(n Need) bool { return n.Job == name }):
				return r.errorf(j.Line, "job %q depends on job %q, which must then be in needs, too", j.Name, name)
			case j.Needs == nil && stageOf(other) >= stageOf(j):
				return r.errorf(j.Line, "job %q depends on job %q, which is not in an earlier stage", j.Name, name)
			}
		}
	}
	return r.checkCircles(p.Jobs, jobs)
}

// checkCircles refuses jobs that wait for each other.
func (r orderReader) checkCircles(list []Job, jobs map[string]*Job) error {
	state := map[string]int{} // 1: on the way, 2: done
	var visit func(j *Job) error
	visit = func(j *Job) error {
		switch state[j.Name] {
		case 1:
			return r.errorf(j.Line, "job %q needs itself, by way of the jobs that it needs", j.Name)
		case 2:
			return nil
		}
		state[j.Name] = 1
		for _, need := range j.Needs {
			if other, known := jobs[need.Job]; known {
				if err := visit(other); err != nil {
					return err
				}
			}
		}
		state[j.Name] = 2
		return nil
	}
	for i := range list {
		if err := visit(&list[i]); err != nil {
			return err
		}
	}
	return nil
}
