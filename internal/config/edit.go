package config

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lced-runner/jobapi"
)

// File is a configuration file while Edit changes it.
type File struct {
	path   string
	data   []byte
	env    func(string) string
	config *Config
	notation
}

// notation changes the text of a file in TOML or YAML. What is not changed stays as it is: comments, unknown keys, the order
// of keys; in TOML every byte.
type notation interface {
	set(data []byte, runner int, keys []entry) ([]byte, error) // keys of a runner's own table, new ones behind its token
	remove(data []byte, runner int) ([]byte, error)            // a runner with all its tables
	add(data []byte, runner *node) ([]byte, error)             // a runner at the end
}

// Edit changes the configuration file at path, or makes it. No other process that uses Edit writes the file meanwhile, so
// change sees it as it is, may talk to GitLab, and loses nobody's work. The file is written when change returns without an
// error and has changed something; it must be readable then, as it must have been before. A power cut leaves the old file or
// the new one, except where the file itself is mounted into a container, or lies in a directory that may not be written: it is
// overwritten then. Mode and owner stay; a new file is readable by its owner only.
func Edit(ctx context.Context, path string, env func(string) string, change func(*File) error) error {
	place, err := claim(ctx, path)
	if err != nil {
		return err
	}
	defer place.release()
	f := &File{path: path, data: place.old, env: env, notation: tomlText{}}
	if isYAML(path) {
		f.notation = yamlText{}
	}
	f.data = bytes.TrimPrefix(f.data, []byte("\ufeff"))
	if place.old == nil {
		f.data = []byte(newFile(path))
	}
	if err := f.take(f.data); err != nil {
		return err
	}
	before := string(place.old)
	if err := change(f); err != nil {
		return err
	}
	if string(f.data) == before {
		return nil
	}
	if err := place.write(f.data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// newFile is what gitlab-runner begins a file with.
func newFile(path string) string {
	if isYAML(path) {
		return "concurrent: 1\ncheck_interval: 0\n"
	}
	return "concurrent = 1\ncheck_interval = 0\n"
}

func isYAML(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
}

// take makes a text the file's, if it can be read.
func (f *File) take(data []byte) error {
	c, _, err := Parse(data, f.path, f.env)
	if err != nil {
		return err
	}
	f.data, f.config = data, c
	return nil
}

// Config is the file as it is now.
func (f *File) Config() *Config { return f.config }

// SetToken gives the i-th runner another token. One that is a variable of the environment cannot be replaced here: that
// variable would go on to be used elsewhere.
func (f *File) SetToken(i int, token jobapi.Secret, obtained, expires time.Time) error {
	if err := f.config.Runners[i].TokenInFile(); err != nil {
		return err
	}
	return f.change(func() ([]byte, error) {
		return f.set(f.data, i, []entry{
			{key: "token", value: &node{kind: Text, text: token.Reveal()}},
			{key: "token_obtained_at", value: moment(obtained)},
			{key: "token_expires_at", value: moment(expires)},
		})
	})
}

// TokenInFile returns an error if the runner's token is not written in the file but is a variable of the environment.
func (r *Runner) TokenInFile() error {
	if r.RawToken != r.Token {
		return fmt.Errorf("the token of runner %s is a variable of the environment (%s): reset it in GitLab and set the variable, or write the token into the file", r.Name, r.RawToken.Reveal())
	}
	return nil
}

// Remove drops runners, by their index in the file as it is now.
func (f *File) Remove(runners ...int) error {
	slices.Sort(runners)
	for _, i := range slices.Backward(runners) {
		if err := f.change(func() ([]byte, error) { return f.remove(f.data, i) }); err != nil {
			return err
		}
	}
	return nil
}

// Add puts a new runner at the end.
func (f *File) Add(d *Draft) error {
	return f.change(func() ([]byte, error) { return f.add(f.data, &d.root) })
}

// change takes over a changed text, with what is wrong in it.
func (f *File) change(by func() ([]byte, error)) error {
	data, err := by()
	if err == nil {
		err = f.take(data)
	}
	if err != nil {
		return fmt.Errorf("change %s: %w", f.path, err)
	}
	return nil
}

// moment writes a time as gitlab-runner does.
func moment(t time.Time) *node {
	return &node{kind: Moment, text: t.UTC().Truncate(time.Second).Format(time.RFC3339)}
}
