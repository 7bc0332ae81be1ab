package e2e

import (
	"encoding/xml"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestProjects runs the pipelines of testdata/projects, each twice: what people do with C, Go, Node and Python, with caches and
// with reports, which GitLab has to get whole.
func TestProjects(t *testing.T) {
	t.Parallel()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	w := prepareWorld(t, nil)
	w.configure(dockerConfig(fmt.Sprintf(`
    image = "lced-test/languages:latest"
    pull_policy = "if-not-present"
    volumes = ["/cache", "%s:/usr/local/go:ro"]
`, strings.TrimSpace(string(goroot)))))
	w.startRunner()
	projects := map[string]*project{}
	for _, name := range []string{"c", "go", "node", "python"} {
		projects[name] = w.openProject(name)
		projects[name].submit()
	}
	for name, p := range projects {
		p.await()
		t.Run(name+", first", func(t *testing.T) { p.check(t, firstRuns()[name]) })
		p.submit()
	}
	for name, p := range projects {
		p.await()
		t.Run(name+", with its cache", func(t *testing.T) { p.check(t, cachedRuns()[name]) })
	}
}

// wants are texts of the logs of a pipeline's jobs, and how many test cases and covered lines their reports have.
type wants struct {
	logs    map[string][]string
	cases   map[string]int
	covered map[string]string
}

func firstRuns() map[string]wants {
	return map[string]wants{
		"c":  {map[string][]string{"build": {"tcc -Wall -O2 -c -o obj/crc32.o crc32.c", "Created cache"}}, map[string]int{"test": 2}, nil},
		"go": {map[string][]string{"test": {"coverage: ", "Created cache"}, "smoke": {"hello from version 1.4."}}, nil, nil},
		"node": {map[string][]string{"test": {"dependencies installed", "keeps long lines", "Created cache"}},
			map[string]int{"test": 2}, nil},
		"python": {map[string][]string{"test": {"3 passed", "TOTAL", "Created cache"}}, map[string]int{"test": 3}, map[string]string{"test": "temperature.py"}},
	}
}

func cachedRuns() map[string]wants {
	const restored = "Successfully extracted cache"
	return map[string]wants{
		"c":      {map[string][]string{"build": {restored}}, map[string]int{"test": 2}, nil},
		"go":     {map[string][]string{"test": {restored, "(cached)"}, "smoke": {"hello from version 1.4."}}, nil, nil},
		"node":   {map[string][]string{"test": {restored, "keeps long lines"}}, map[string]int{"test": 2}, nil},
		"python": {map[string][]string{"test": {restored, "pytest knows the last run"}}, map[string]int{"test": 3}, nil},
	}
}

// project is one of testdata/projects, with its latest pipeline.
type project struct {
	*world
	repo     coordinator.Repository
	pipeline *ciyaml.Pipeline
	id       int64
	jobs     map[string]coordinator.Job
}

func (w *world) openProject(name string) *project {
	w.t.Helper()
	files := map[string]string{}
	dir := filepath.Join("testdata", "projects", name)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		inside, _ := filepath.Rel(dir, path)
		files[inside] = string(text)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p := &project{world: w, repo: w.makeRepository(files)}
	p.repo.Path = "projects/" + name
	if p.pipeline, err = ciyaml.Parse([]byte(files[".gitlab-ci.yml"]), name+"/.gitlab-ci.yml"); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (p *project) submit() {
	p.t.Helper()
	id, err := p.gitlab.Submit(p.t.Context(), coordinator.Submission{Pipeline: p.pipeline, Repository: p.repo})
	if err != nil {
		p.t.Fatal(err)
	}
	p.id = id
}

func (p *project) await() {
	p.t.Helper()
	p.jobs = map[string]coordinator.Job{}
	for _, j := range p.awaitPipeline(p.id) {
		p.jobs[j.Name] = j
	}
}

func (p *project) check(t *testing.T, w wants) {
	for name, j := range p.jobs {
		wantSuccess(t, j, string(p.gitlab.Trace(j.ID)), w.logs[name]...)
	}
	for name, want := range w.cases {
		text := p.uploaded(p.jobs[name].ID, "junit")
		if got := elements(t, text, "testcase"); got != want {
			t.Errorf("the report of %s has %d test cases, want %d:\n%s", name, got, want, text)
		}
	}
	for name, want := range w.covered {
		text := p.uploaded(p.jobs[name].ID, "cobertura")
		if elements(t, text, "line") == 0 || !strings.Contains(string(text), want) {
			t.Errorf("the coverage of %s is not that of %s:\n%s", name, want, text)
		}
	}
}

// elements counts the elements of a name in an XML document, which must be whole.
func elements(t *testing.T, text []byte, name string) int {
	t.Helper()
	n := 0
	for decoder := xml.NewDecoder(strings.NewReader(string(text))); ; {
		token, err := decoder.Token()
		if err != nil {
			if err.Error() != "EOF" {
				t.Error(err)
			}
			return n
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			n++
		}
	}
}
