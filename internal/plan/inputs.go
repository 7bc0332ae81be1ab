package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lced-runner/jobapi"
)

// fillInputs puts the job's inputs in.
func (c *compiler) fillInputs() (err error) {
	if !c.flags["FF_ENABLE_JOB_INPUTS_INTERPOLATION"] {
		return nil
	}
	if c.Job, c.sensitive, c.interpolated, err = interpolate(c.Job); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// interpolate replaces the expressions ${{ job.inputs.NAME }} of a job that has inputs, wherever GitLab allows them: scripts,
// images, services, artifacts and caches. secrets are the values that the log must not show, texts is in how many places there
// was something to replace. A job without inputs stays as it is, whatever it may write between braces.
func interpolate(job *jobapi.Job) (out *jobapi.Job, secrets []string, texts int, err error) {
	list, err := job.ParseInputs()
	if err != nil || len(list) == 0 {
		return job, nil, 0, err
	}
	in := inputs{values: map[string]any{}}
	for _, i := range list {
		in.values[i.Key] = i.Value
		if i.Sensitive {
			secrets = append(secrets, leaves(i.Value)...)
		}
	}
	done := *job
	done.Steps = slices.Clone(job.Steps)
	for i, s := range done.Steps {
		if s.Name == "script" || s.Name == "after_script" {
			done.Steps[i].Script = in.all(s.Script)
		}
	}
	in.image(&done.Image)
	done.Services = slices.Clone(job.Services)
	for i := range done.Services {
		in.image(&done.Services[i])
	}
	done.Artifacts = slices.Clone(job.Artifacts)
	for i := range done.Artifacts {
		a := &done.Artifacts[i]
		in.each(&a.Name, &a.When, &a.ExpireIn)
		a.Paths, a.Exclude = in.all(a.Paths), in.all(a.Exclude)
	}
	done.Cache = slices.Clone(job.Cache)
	for i := range done.Cache {
		c := &done.Cache[i]
		in.each(&c.Key, &c.Policy, &c.When)
		c.Paths, c.FallbackKeys = in.all(c.Paths), in.all(c.FallbackKeys)
	}
	if in.err != nil {
		return nil, secrets, 0, fmt.Errorf("failed to interpolate job inputs: %w", in.err)
	}
	return &done, secrets, in.texts, nil
}

// InputsError says why an expression has no value. Kind is gitlab-runner's word: "parse" for what is no expression, and
// "evaluation" for one of something that is not there.
type InputsError struct {
	Kind string
	Err  error
}

func (e *InputsError) Error() string { return e.Err.Error() }
func (e *InputsError) Unwrap() error { return e.Err }

func unreadable(format string, args ...any) error {
	return &InputsError{"parse", fmt.Errorf(format, args...)}
}

func notThere(format string, args ...any) error {
	return &InputsError{"evaluation", fmt.Errorf(format, args...)}
}

// inputs replaces expressions and keeps the first error.
type inputs struct {
	values map[string]any
	texts  int // with expressions
	err    error
}

func (in *inputs) image(i *jobapi.Image) {
	in.each(&i.Name, &i.ExecutorOpts.Docker.Platform, &i.ExecutorOpts.Docker.User)
	i.Command, i.Entrypoint, i.PullPolicy = in.all(i.Command), in.all(i.Entrypoint), in.all(i.PullPolicy)
}

func (in *inputs) each(texts ...*string) {
	for _, text := range texts {
		*text = in.expand(*text)
	}
}

func (in *inputs) all(texts []string) []string {
	out := slices.Clone(texts)
	for i := range out {
		out[i] = in.expand(out[i])
	}
	return out
}

// expand replaces the expressions of one text.
func (in *inputs) expand(text string) string {
	var b strings.Builder
	if strings.Contains(text, "${{") {
		in.texts++
	}
	for {
		before, rest, found := strings.Cut(text, "${{")
		b.WriteString(before)
		if !found || in.err != nil {
			return b.String()
		}
		e := expression{text: rest, values: in.values}
		value, err := e.value()
		if err == nil && !e.take("}}") {
			err = unreadable("%q ends where }} is expected", e.read())
		}
		if err != nil {
			in.err = fmt.Errorf("${{%s: %w", firstLine(rest), err)
			return b.String()
		}
		b.WriteString(textOf(value))
		text = e.text[e.pos:]
	}
}

// firstLine is what an error shows of an expression.
func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if end := strings.Index(text, "}}"); end >= 0 {
		return text[:end+2]
	}
	return text
}

// expression is read from the left: job.inputs.NAME, then .FIELD, ["FIELD"] or [NUMBER] any number of times; or str( one ).
type expression struct {
	text   string
	pos    int
	values map[string]any
}

func (e *expression) read() string { return strings.TrimSpace(e.text[:e.pos]) }

// take skips white space and, if it comes next, the token.
func (e *expression) take(token string) bool {
	rest := strings.TrimLeft(e.text[e.pos:], " \t\r\n")
	if !strings.HasPrefix(rest, token) {
		return false
	}
	e.pos = len(e.text) - len(rest) + len(token)
	return true
}

// name reads letters, digits, _ and -.
func (e *expression) name() string {
	rest := e.text[e.pos:]
	end := strings.IndexFunc(rest, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		end = len(rest)
	}
	e.pos += end
	return rest[:end]
}

func (e *expression) value() (any, error) {
	if e.take("str(") {
		value, err := e.value()
		if err == nil && !e.take(")") {
			err = unreadable("%q has no closing parenthesis", e.read())
		}
		return textOf(value), err
	}
	if !e.take("job.inputs") {
		return nil, unreadable("this runner understands job.inputs.NAME, with .FIELD or [NUMBER] behind it, and str() around it")
	}
	var value any = e.values
	for {
		next, found, err := e.step(value)
		if !found || err != nil {
			return value, err
		}
		value = next
	}
}

// step is one .FIELD or [INDEX] of a value; not found where neither comes next.
func (e *expression) step(value any) (next any, found bool, err error) {
	key := ""
	switch {
	case strings.HasPrefix(e.text[e.pos:], "."):
		e.pos++
		key = e.name()
	case strings.HasPrefix(e.text[e.pos:], "["):
		index, _, closed := strings.Cut(e.text[e.pos+1:], "]")
		if !closed {
			return nil, true, unreadable("%q has no closing bracket", e.read())
		}
		e.pos += len(index) + 2
		key = strings.TrimSpace(index)
		if list, ok := value.([]any); ok {
			n, err := strconv.Atoi(key)
			if err != nil || n < 0 || n >= len(list) {
				return nil, true, notThere("%q: the list has %d elements, counted from 0", e.read(), len(list))
			}
			return list[n], true, nil
		}
		key = strings.Trim(key, `"'`)
	default:
		return nil, false, nil
	}
	fields, ok := value.(map[string]any)
	if next, ok2 := fields[key]; ok && ok2 {
		return next, true, nil
	}
	return nil, true, notThere("%q: there is no %q", e.read(), key)
}

// textOf writes a value as a script is to have it: lists and structs as JSON.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}

// leaves are the texts and numbers of a value.
func leaves(value any) []string {
	switch v := value.(type) {
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, leaves(one)...)
		}
		return all
	case map[string]any:
		var all []string
		for _, one := range v {
			all = append(all, leaves(one)...)
		}
		return all
	case string, json.Number:
		return []string{textOf(v)}
	}
	return nil
}
