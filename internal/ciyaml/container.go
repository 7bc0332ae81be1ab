package ciyaml

import (
	"fmt"
	"strings"
)

// image reads the short form, a string, or the long one.
func (r *reader) image(value node, what string) (*Image, error) {
	if value.kind != yamlMapping {
		name, err := r.text(value, what)
		return &Image{Name: name}, err
	}
	image := &Image{}
	for _, e := range value.entries {
		known, err := r.imageKeyword(image, e, what)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, r.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
	}
	if image.Name == "" {
		return nil, r.errorf(value.line, "%s needs a name", what)
	}
	return image, nil
}

func (r *reader) imageKeyword(image *Image, e entry, what string) (known bool, err error) {
	what = fmt.Sprintf("%q in %s", e.key, what)
	switch e.key {
	case "name", "entrypoint", "pull_policy", "docker":
		if e.value.isNull() {
			return true, nil
		}
	}
	switch e.key {
	case "name":
		image.Name, err = r.text(e.value, what)
	case "entrypoint":
		image.Entrypoint, err = r.stringList(e.value, what)
	case "pull_policy":
		image.PullPolicy, err = r.pullPolicy(e.value, what)
	case "docker":
		err = r.docker(image, e.value, what)
	default:
		return false, nil
	}
	return true, err
}

func (r *reader) pullPolicy(value node, what string) ([]string, error) {
	policies := value.items
	if value.kind != yamlSequence {
		policies = []node{value}
	}
	var out []string
	for _, policy := range policies {
		name, err := r.oneOf(policy, what, "always", "if-not-present", "never")
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return nil, r.errorf(value.line, "%s is an empty list", what)
	}
	return out, nil
}

func (r *reader) docker(image *Image, value node, what string) error {
	if value.kind != yamlMapping {
		return r.errorf(value.line, "%s must be a mapping, this is %s", what, value.describe())
	}
	for _, e := range value.entries {
		var err error
		switch e.key {
		case "platform":
			image.Platform, err = r.text(e.value, fmt.Sprintf("%q in %s", e.key, what))
		case "user":
			image.User, err = r.textOrNumber(e.value, fmt.Sprintf("%q in %s", e.key, what))
		default:
			err = r.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) services(value node, owner string) ([]Service, error) {
	if value.kind != yamlSequence {
		return nil, r.errorf(value.line, `"services" of %s must be a list, this is %s`, owner, value.describe())
	}
	out := []Service{}
	for i, item := range value.items {
		service, err := r.service(item, fmt.Sprintf("service %d of %s", i+1, owner))
		if err != nil {
			return nil, err
		}
		out = append(out, service)
	}
	return out, nil
}

func (r *reader) service(value node, what string) (Service, error) {
	if value.kind != yamlMapping {
		name, err := r.text(value, what)
		return Service{Image: Image{Name: name}}, err
	}
	var service Service
	for _, e := range value.entries {
		known, err := r.imageKeyword(&service.Image, e, what)
		if !known && err == nil {
			known, err = r.serviceKeyword(&service, e, what)
		}
		if err != nil {
			return Service{}, err
		}
		if !known {
			return Service{}, r.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
	}
	if service.Name == "" {
		return Service{}, r.errorf(value.line, "%s needs a name", what)
	}
	return service, nil
}

func (r *reader) serviceKeyword(service *Service, e entry, what string) (known bool, err error) {
	switch e.key {
	case "alias", "command", "variables":
		if e.value.isNull() {
			return true, nil
		}
	}
	switch e.key {
	case "alias":
		service.Alias, err = r.text(e.value, fmt.Sprintf("%q in %s", e.key, what))
	case "command":
		service.Command, err = r.stringList(e.value, fmt.Sprintf("%q in %s", e.key, what))
	case "variables":
		service.Variables, err = r.variables(e.value, what, false)
	default:
		return false, nil
	}
	return true, err
}

// hooks reads hooks:pre_get_sources_script, the only hook there is.
func (r *reader) hooks(value node, owner string) ([]string, error) {
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
func (r *reader) script(value node, what string) ([]string, error) {
	return r.scriptLevel([]string{}, value, what, 10)
}

func (r *reader) scriptLevel(lines []string, value node, what string, levels int) ([]string, error) {
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
