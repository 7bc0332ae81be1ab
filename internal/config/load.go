package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
)

// Load reads the configuration file at path, as Parse does.
func Load(path string, env func(string) string) (*Config, []Warning, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, &Error{File: path, Text: "there is no such file: write it (the README has an example), or name another one with --config"}
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, &Error{File: path, Text: "the runner may not read it: run as its owner, or change its mode"}
	case err != nil:
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(data, path, env)
}

// Parse reads a configuration file's content: YAML if file ends in .yaml or .yml, else TOML. env gives the variables
// that url and token name. The warnings are for the operator's log and come with an error too. The error joins all that
// is wrong, each part an *Error; Config is nil then.
func Parse(data []byte, file string, env func(string) string) (*Config, []Warning, error) {
	p := &problems{file: file}
	c := p.parse(bytes.TrimPrefix(data, []byte("\ufeff")), env) // editors on Windows put a byte order mark first
	warnings, err := p.result()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

func (p *problems) parse(data []byte, env func(string) string) *Config {
	root := p.tree(data)
	if root == nil {
		return nil
	}
	c := Default()
	(&decoder{p}).table(root, reflect.ValueOf(c).Elem(), "")
	c.fillZeros()
	if len(p.errors) == 0 { // a value that could not be read must not be called missing
		p.validate(c, root, env)
	}
	return c
}

// tree reads either notation; nil where it cannot be read.
func (p *problems) tree(data []byte) *node {
	if isYAML(p.file) {
		return parseYAML(data, p)
	}
	return parseTOML(data, p)
}
