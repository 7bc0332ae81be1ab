package ciyaml

import (
	"fmt"
	"strings"
)

// hooks reads hooks:pre_get_sources_script, the only hook there is.
func (r reader) hooks(value node, owner string) ([]string, error) {
	if value.kind != yamlMapping {
		return nil, r.errorf(value.line, `"hooks" of %s must be a mapping, this is %s`, owner, value.describe())
	}
	var script []string
	for _, e := range value.entries {
		if e.key != "pre_get_sources_script" {
			return nil, r.errorf(e.line, "hook %q of %s is not supported by exec yet", e.key, owner)
		}
		var err error
		if script, err = r.script(e.value, fmt.Sprintf("%q of %s", e.key, owner)); err != nil {
			return nil, err
		}
	}
	return script, nil
}

// script reads a string, or a list of strings and lists of them. GitLab allows ten levels.
func (r reader) script(value node, what string) ([]string, error) {
	return r.scriptLevel([]string{}, value, what, 10)
}

func (r reader) scriptLevel(lines []string, value node, what string, levels int) ([]string, error) {
	if value.kind == yamlScalar && value.tag == "!!str" {
		if strings.TrimSpace(value.value) == "" && levels == 10 {
			return lines, nil
		}
		return append(lines, value.value), nil
	}
	if value.kind == yamlMapping {
		return nil, r.errorf(value.line, `%s holds a mapping where a command is wanted: put a command with ": " in it into quotes`, what)
	}
	if value.kind != yamlSequence {
		return nil, r.errorf(value.line, "%s must be a string or a list of strings, this is %s: put it into quotes", what, value.describe())
	}
	if levels == 0 {
		return nil, r.errorf(value.line, "%s is nested more than ten levels deep", what)
	}
	var err error
	for _, item := range value.items {
		if lines, err = r.scriptLevel(lines, item, what, levels-1); err != nil {
			return nil, err
		}
	}
	return lines, nil
}
