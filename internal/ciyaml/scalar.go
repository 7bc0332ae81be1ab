package ciyaml

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	yamlScalar   = yaml.ScalarNode
	yamlSequence = yaml.SequenceNode
	yamlMapping  = yaml.MappingNode
)

// text reads a string that is not empty.
func (s source) text(value node, what string) (string, error) {
	if value.kind != yamlScalar || value.tag != "!!str" {
		return "", s.errorf(value.line, "%s must be a string, this is %s", what, value.describe())
	}
	if value.value == "" {
		return "", s.errorf(value.line, "%s is an empty string", what)
	}
	return value.value, nil
}

func (s source) textOrNumber(value node, what string) (string, error) {
	if value.kind == yamlScalar && value.tag == "!!int" {
		return value.value, nil
	}
	return s.text(value, what)
}

// stringList reads a list of strings; empty strings are let through, since entrypoint: [""] has a meaning.
func (s source) stringList(value node, what string) ([]string, error) {
	if value.kind != yamlSequence {
		return nil, s.errorf(value.line, "%s must be a list of strings, this is %s", what, value.describe())
	}
	out := []string{}
	for _, item := range value.items {
		if item.kind != yamlScalar || item.tag != "!!str" {
			return nil, s.errorf(item.line, "%s must hold strings only, this is %s: put it into quotes", what, item.describe())
		}
		out = append(out, item.value)
	}
	return out, nil
}

func (s source) oneOf(value node, what string, choices ...string) (string, error) {
	if value.kind != yamlScalar || !slices.Contains(choices, value.value) {
		return "", s.errorf(value.line, "%s must be one of %s", what, strings.Join(choices, ", "))
	}
	return value.value, nil
}

func (s source) boolean(value node, what string) (bool, error) {
	if truth, ok := booleanOf(value); ok {
		return truth, nil
	}
	return false, s.errorf(value.line, "%s must be true or false, this is %s", what, value.describe())
}

// booleanOf knows the words of YAML 1.1, which GitLab reads: yes, no, on, off too, unless quoted.
func booleanOf(value node) (truth, ok bool) {
	if value.kind != yamlScalar || value.quoted {
		return false, false
	}
	switch strings.ToLower(value.value) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

func (s source) integer(value node, what string) (int, error) {
	if value.kind == yamlScalar && value.tag == "!!int" {
		if number, err := strconv.Atoi(value.value); err == nil {
			return number, nil
		}
	}
	return 0, s.errorf(value.line, "%s must be a whole number, this is %s", what, value.describe())
}
