package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
)

// Load reads the configuration file at path, as Parse does, and what it refers to beside itself: certificates in certs/,
// and seccomp profiles.
func Load(path string, env func(string) string) (*Config, []Warning, error) {
	data, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, &Error{File: path, Text: "there is no such file: write it (the README has an example), or name another one with --config"}
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, &Error{File: path, Text: "the runner may not read it: run as its owner, or change its mode"}
	case err != nil:
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return parse(data, path, env, func(p *problems, r *Runner, n *node) { surroundings(p, filepath.Dir(path), r, n, env) })
}

// read is the content of a file up to what Parse finds too large: a device has no end.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// maxSize of a file, in bytes, is far above that of one with thousands of runners.
const maxSize = 4 << 20

// Parse reads a configuration file's content: YAML if file ends in .yaml or .yml, else TOML. env gives the variables
// that url and token name. The warnings are for the operator's log and come with an error too. The error joins all that
// is wrong, each part an *Error. Config is nil then, unless all that is wrong is in [[runners]] tables: these are Disabled
// in it, and whoever would rather run the others than none may.
func Parse(data []byte, file string, env func(string) string) (*Config, []Warning, error) {
	return parse(data, file, env, func(*problems, *Runner, *node) {})
}

// parse is Parse with a look at what each usable runner refers to.
func parse(data []byte, file string, env func(string) string, look func(*problems, *Runner, *node)) (*Config, []Warning, error) {
	p := &problems{file: file}
	if len(data) > maxSize {
		return nil, nil, &Error{File: file, Line: 1, Text: fmt.Sprintf("it has more than %d MiB, and a configuration has not", maxSize>>20)}
	}
	return p.config(p.tree(bytes.TrimPrefix(data, []byte("\ufeff"))), env, look) // editors on Windows put a byte order mark first
}

// config is what a whole file says, with what is wrong in it.
func (p *problems) config(root *node, env func(string) string, look func(*problems, *Runner, *node)) (*Config, []Warning, error) {
	c := decode(p, root, env, look)
	if p.broken(0) != nil {
		c = nil
	}
	warnings, err := p.result()
	return c, warnings, err
}

func decode(p *problems, root *node, env func(string) string, look func(*problems, *Runner, *node)) *Config {
	if root == nil {
		return nil
	}
	c := Default()
	(&decoder{p}).table(root, reflect.ValueOf(c).Elem(), "")
	c.fillZeros()
	if p.broken(0) != nil { // the list of runners may not be one
		return nil
	}
	p.validate(c, root, env, look)
	return c
}

// tree reads either notation; nil where it cannot be read.
func (p *problems) tree(data []byte) *node {
	if isYAML(p.file) {
		return parseYAML(data, p)
	}
	return parseTOML(data, p)
}
