package ciyaml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseArtifacts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want *Artifacts
	}{
		"all": {
			`j: {script: x, artifacts: {name: "$CI_JOB_NAME", paths: [a, b/], exclude: ["**/*.o"], untracked: true, when: always,
			  expire_in: 1 week, expose_as: page, access: all, public: false}}`,
			&Artifacts{Name: "$CI_JOB_NAME", Paths: []string{"a", "b/"}, Exclude: []string{"**/*.o"}, Untracked: true, When: "always", ExpireIn: "1 week"},
		},
		"reports": {
			`j: {script: x, artifacts: {reports: {junit: [a.xml, b.xml], dotenv: build.env, sast: s.json, coverage_report: {coverage_format: cobertura, path: c.xml}}}}`,
			&Artifacts{Reports: []Report{
				{"junit", "gzip", []string{"a.xml", "b.xml"}}, {"dotenv", "gzip", []string{"build.env"}},
				{"sast", "raw", []string{"s.json"}}, {"cobertura", "gzip", []string{"c.xml"}},
			}},
		},
		"inherited":  {"default: {artifacts: {paths: [a]}}\nj: {script: x}", &Artifacts{Paths: []string{"a"}}},
		"overridden": {"default: {artifacts: {paths: [a], when: always}}\nj: {script: x, artifacts: {paths: [b]}}", &Artifacts{Paths: []string{"b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, parseJob(t, c.file).Artifacts); diff != "" {
				t.Errorf("artifacts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseNeeds(t *testing.T) {
	t.Parallel()
	pipeline, err := Parse([]byte(`
a: {script: x, stage: build}
b: {script: x, stage: build}
c: {script: x, needs: [a, {job: b, artifacts: false}, {job: gone, optional: true}], dependencies: [a]}
d: {script: x, needs: []}
e: {script: x, dependencies: []}
`), "ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Need{{Job: "a", Artifacts: true}, {Job: "b"}, {Job: "gone", Artifacts: true, Optional: true}}
	if diff := cmp.Diff(want, pipeline.Jobs[2].Needs); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a"}, pipeline.Jobs[2].Dependencies); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
	if d := pipeline.Jobs[3]; d.Needs == nil || d.Dependencies != nil {
		t.Errorf("needs: [] became %v", d.Needs)
	}
	if e := pipeline.Jobs[4]; e.Dependencies == nil || e.Needs != nil {
		t.Errorf("dependencies: [] became %v", e.Dependencies)
	}
}

func TestArtifactErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"a list":             {"j:\n  script: x\n  artifacts: [a]\n", `ci.yml:3: "artifacts" of job "j" must be a mapping`},
		"a path":             {"j:\n  script: x\n  artifacts: {paths: a}\n", `ci.yml:3: "paths" in "artifacts" of job "j" must be a list`},
		"unknown keyword":    {"j:\n  script: x\n  artifacts: {path: [a]}\n", `ci.yml:3: keyword "path" in "artifacts" of job "j" is not supported`},
		"only exclude":       {"j:\n  script: x\n  artifacts: {exclude: [a]}\n", `has exclude, but neither paths nor untracked`},
		"unknown report":     {"j:\n  script: x\n  artifacts: {reports: {unit: a}}\n", `report "unit" in "reports" in "artifacts" of job "j" is none that GitLab knows`},
		"half a coverage":    {"j:\n  script: x\n  artifacts: {reports: {coverage_report: {path: a}}}\n", `needs coverage_format and path`},
		"unknown need":       {"j:\n  script: x\n  needs: [k]\n", `ci.yml:1: job "j" needs job "k", which does not exist`},
		"need of a pipeline": {"j:\n  script: x\n  needs: [{pipeline: other}]\n", `only jobs of the same pipeline can be needed`},
		"need without job":   {"j:\n  script: x\n  needs: [{artifacts: true}]\n", `names no job`},
		"later need":         {"j: {script: x, stage: build, needs: [k]}\nk: {script: x}\n", `which is in a later stage`},
		"circle":             {"j: {script: x, needs: [k]}\nk: {script: x, needs: [j]}\n", `needs itself`},
		"unknown dependency": {"j:\n  script: x\n  dependencies: [k]\n", `ci.yml:1: job "j" depends on job "k", which does not exist`},
		"same stage":         {"j: {script: x, dependencies: [k]}\nk: {script: x}\n", `which is not in an earlier stage`},
		"not in needs":       {"k: {script: x, stage: build}\nj: {script: x, needs: [], dependencies: [k]}\n", `must then be in needs`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.file), "ci.yml")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}
