package plan

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lced-runner/executor"
	"lced-runner/internal/helper"
)

// FuzzCompile makes plans of payloads. Whatever GitLab sends ends neither the runner nor the boundaries of a job.
func FuzzCompile(f *testing.F) {
	payloads, err := filepath.Glob("testdata/*/job.json")
	if err != nil || len(payloads) == 0 {
		f.Fatalf("%d payloads (%v)", len(payloads), err)
	}
	for _, name := range payloads {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		in := testInput()
		if json.Unmarshal(payload, in.Job) != nil {
			return
		}
		in.Runner.Docker.Image, in.Runner.Dind.Privileged = "busybox", true
		compiled, err := Compile(in)
		if err != nil {
			return
		}
		p := compiled.Plan
		for _, v := range p.Volumes {
			if v.Target == "/" || !path.IsAbs(v.Target) {
				t.Errorf("a volume at %q", v.Target)
			}
		}
		for _, kv := range p.Build.Env {
			if strings.Contains(kv, "\x00") {
				t.Errorf("the environment holds %q", kv)
			}
		}
		for _, task := range slices.Concat(p.Before, p.Finally) {
			checkTask(t, task)
		}
		if p.Build.Privileged {
			t.Error("a payload makes the build container privileged")
		}
	})
}

// checkTask looks at what the helper is asked for: one line that it can read, about directories that are the job's.
func checkTask(t *testing.T, task executor.Task) {
	t.Helper()
	var request helper.Request
	if err := json.Unmarshal(task.Request, &request); err != nil || strings.Contains(string(task.Request), "\n") {
		t.Errorf("the request for %s is %q: %v", task.Section, task.Request, err)
	}
	if !strings.HasPrefix(request.ProjectDir, "/builds/") || path.Clean(request.ProjectDir) != request.ProjectDir || request.TempDir != request.ProjectDir+".tmp" {
		t.Errorf("%s works in %q, with %q for what is temporary", task.Section, request.ProjectDir, request.TempDir)
	}
	if c := request.Cache; c != nil {
		for _, item := range c.Items {
			for _, key := range item.Keys {
				if !filepath.IsLocal(key.Dir) {
					t.Errorf("a cache lies in %q", key.Dir)
				}
			}
		}
	}
}
