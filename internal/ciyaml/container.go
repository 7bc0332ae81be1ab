package ciyaml

import "fmt"

// containers reads what makes containers: images, services and the variables that they get.
type containers struct{ source }

// image reads the short form, a string, or the long one.
func (c containers) image(value node, what string) (*Image, error) {
	if value.kind != yamlMapping {
		name, err := c.text(value, what)
		return &Image{Name: name}, err
	}
	image := &Image{}
	for _, e := range value.entries {
		known, err := c.imageKeyword(image, e, what)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, c.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
	}
	if image.Name == "" {
		return nil, c.errorf(value.line, "%s needs a name", what)
	}
	return image, nil
}

func (c containers) imageKeyword(image *Image, e entry, what string) (known bool, err error) {
	what = fmt.Sprintf("%q in %s", e.key, what)
	switch e.key {
	case "name", "entrypoint", "pull_policy", "docker":
		if e.value.isNull() {
			return true, nil
		}
	}
	switch e.key {
	case "name":
		image.Name, err = c.text(e.value, what)
	case "entrypoint":
		image.Entrypoint, err = c.stringList(e.value, what)
	case "pull_policy":
		image.PullPolicy, err = c.pullPolicy(e.value, what)
	case "docker":
		err = c.docker(image, e.value, what)
	default:
		return false, nil
	}
	return true, err
}

func (c containers) pullPolicy(value node, what string) ([]string, error) {
	policies := value.items
	if value.kind != yamlSequence {
		policies = []node{value}
	}
	var out []string
	for _, policy := range policies {
		name, err := c.oneOf(policy, what, "always", "if-not-present", "never")
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return nil, c.errorf(value.line, "%s is an empty list", what)
	}
	return out, nil
}

func (c containers) docker(image *Image, value node, what string) error {
	if value.kind != yamlMapping {
		return c.errorf(value.line, "%s must be a mapping, this is %s", what, value.describe())
	}
	for _, e := range value.entries {
		var err error
		switch e.key {
		case "platform":
			image.Platform, err = c.text(e.value, fmt.Sprintf("%q in %s", e.key, what))
		case "user":
			image.User, err = c.textOrNumber(e.value, fmt.Sprintf("%q in %s", e.key, what))
		default:
			err = c.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c containers) services(value node, owner string) ([]Service, error) {
	if value.kind != yamlSequence {
		return nil, c.errorf(value.line, `"services" of %s must be a list, this is %s`, owner, value.describe())
	}
	out := []Service{}
	for i, item := range value.items {
		service, err := c.service(item, fmt.Sprintf("service %d of %s", i+1, owner))
		if err != nil {
			return nil, err
		}
		out = append(out, service)
	}
	return out, nil
}

func (c containers) service(value node, what string) (Service, error) {
	if value.kind != yamlMapping {
		name, err := c.text(value, what)
		return Service{Image: Image{Name: name}}, err
	}
	var service Service
	for _, e := range value.entries {
		known, err := c.imageKeyword(&service.Image, e, what)
		if !known && err == nil {
			known, err = c.serviceKeyword(&service, e, what)
		}
		if err != nil {
			return Service{}, err
		}
		if !known {
			return Service{}, c.errorf(e.line, "keyword %q in %s is not supported by exec yet", e.key, what)
		}
	}
	if service.Name == "" {
		return Service{}, c.errorf(value.line, "%s needs a name", what)
	}
	return service, nil
}

func (c containers) serviceKeyword(service *Service, e entry, what string) (known bool, err error) {
	switch e.key {
	case "alias", "command", "variables":
		if e.value.isNull() {
			return true, nil
		}
	}
	switch e.key {
	case "alias":
		service.Alias, err = c.text(e.value, fmt.Sprintf("%q in %s", e.key, what))
	case "command":
		service.Command, err = c.stringList(e.value, fmt.Sprintf("%q in %s", e.key, what))
	case "variables":
		service.Variables, err = c.variables(e.value, what, false)
	default:
		return false, nil
	}
	return true, err
}
