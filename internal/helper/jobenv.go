package helper

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// jobEnvironment is the environment of the job's scripts: its variables, and what earlier scripts left in GITLAB_ENV.
type jobEnvironment map[string]string

func (r *Request) jobEnvironment() jobEnvironment {
	env := jobEnvironment{}
	for _, variable := range r.Env {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	maps.Copy(env, readJobEnv(filepath.Join(r.TempDir, jobEnvFile)))
	return env
}

// maxJobEnv bounds what is read of a file that a script wrote, in bytes.
const maxJobEnv = 1 << 20

// readJobEnv reads lines of NAME=value. A file that is missing, or is none, says nothing.
func readJobEnv(path string) map[string]string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxJobEnv))
	if err != nil {
		return nil
	}
	env := map[string]string{}
	for line := range bytes.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(string(line), "\n"), "="); ok {
			env[name] = value
		}
	}
	return env
}

// expand replaces $NAME and ${NAME} as a shell in the job would; an unknown name becomes nothing, $$ a dollar sign.
func (e jobEnvironment) expand(text string) string {
	return os.Expand(text, func(name string) string {
		if name == "$" {
			return name
		}
		return e[name]
	})
}

func (e jobEnvironment) expandAll(texts []string) []string {
	expanded := make([]string, len(texts))
	for i, text := range texts {
		expanded[i] = e.expand(text)
	}
	return expanded
}
