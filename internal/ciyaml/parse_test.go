package ciyaml

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const notes = `stages:
  - build
  - upload

variables:
  VERSION: "0.1.0"
  HARBOR_HOST: "HARBOR_HOST"
  HARBOR_IMAGE: "${HARBOR_HOST}/lced/app:${VERSION}"
  DOCKER_TLS_CERTDIR: ""

build:
  stage: build
  image: docker:latest
  services:
    - docker:latest
  script:
    - env
    - docker info
  tags:
    - lced

upload:
  stage: upload
  image: docker:latest
  script:
    - echo "rmi ${HARBOR_IMAGE}"
  tags:
    - lced
`

func TestParseNotes(t *testing.T) {
	t.Parallel()
	want := &Pipeline{
		Stages: []string{".pre", "build", "upload", ".post"},
		Variables: []Variable{
			{Name: "VERSION", Value: "0.1.0"},
			{Name: "HARBOR_HOST", Value: "HARBOR_HOST"},
			{Name: "HARBOR_IMAGE", Value: "${HARBOR_HOST}/lced/app:${VERSION}"},
			{Name: "DOCKER_TLS_CERTDIR"},
		},
		Jobs: []Job{
			{
				Name: "build", Line: 11, Stage: "build", When: "on_success", Tags: []string{"lced"},
				Image: &Image{Name: "docker:latest"}, Services: []Service{{Image: Image{Name: "docker:latest"}}},
				Script: []string{"env", "docker info"},
			},
			{
				Name: "upload", Line: 22, Stage: "upload", When: "on_success", Tags: []string{"lced"},
				Image:  &Image{Name: "docker:latest"},
				Script: []string{`echo "rmi ${HARBOR_IMAGE}"`},
			},
		},
	}
	got, err := Parse([]byte(notes), ".gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pipeline (-want +got):\n%s", diff)
	}
}

// parseJob parses a file whose last job is the one to look at.
func parseJob(t *testing.T, file string) Job {
	t.Helper()
	pipeline, err := Parse([]byte(file), "ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Jobs[len(pipeline.Jobs)-1]
}

type jobCase struct {
	file string
	want Job // Name j, stage test and when on_success unless given
}

func jobCases() map[string]jobCase {
	return map[string]jobCase{
		"job overrides default": {
			"default:\n  before_script: [a]\n  after_script: [z]\n  image: one\n  tags: [x]\n  timeout: 1h\nj:\n  before_script: []\n  image: two\n  script: run\n",
			Job{Line: 7, Image: &Image{Name: "two"}, Script: []string{"run"}, BeforeScript: []string{}, AfterScript: []string{"z"}, Tags: []string{"x"}, Timeout: time.Hour},
		},
		"null inherits": {
			"image: one\nservices: [db]\nj:\n  image:\n  services: ~\n  script: run\n",
			Job{Line: 3, Image: &Image{Name: "one"}, Services: []Service{{Image: Image{Name: "db"}}}, Script: []string{"run"}},
		},
		"long image and service": {
			`
j:
  image: {name: i, entrypoint: [""], docker: {platform: linux/arm64, user: 1000}, pull_policy: never}
  services:
    - {name: s, alias: "a, b", entrypoint: [e], command: [c, d], variables: {K: 1}, pull_policy: [always, if-not-present], docker: {user: u}}
  script: run
`,
			Job{
				Line: 2, Script: []string{"run"},
				Image: &Image{Name: "i", Entrypoint: []string{""}, Platform: "linux/arm64", User: "1000", PullPolicy: []string{"never"}},
				Services: []Service{{
					Image: Image{Name: "s", Entrypoint: []string{"e"}, User: "u", PullPolicy: []string{"always", "if-not-present"}},
					Alias: "a, b", Command: []string{"c", "d"}, Variables: []Variable{{Name: "K", Value: "1"}},
				}},
			},
		},
		"scripts are flattened": {
			".a: &a [one, [two, [three]]]\nj:\n  script:\n    - *a\n    - |\n      four\n      five\n",
			Job{Line: 2, Script: []string{"one", "two", "three", "four\nfive\n"}},
		},
		"merge keys, the later one wins as in GitLab": {
			".a: &a\n  stage: build\n  script: one\n.b: &b\n  stage: deploy\nj:\n  <<: *a\n  script: two\n  <<: *b\n",
			Job{Line: 6, Stage: "deploy", Script: []string{"two"}},
		},
		"merge list, the first one wins": {
			".a: &a {stage: build, script: one}\n.b: &b {stage: deploy, when: always}\nj:\n  <<: [*a, *b]\n",
			Job{Line: 3, Stage: "build", Script: []string{"one"}, When: "always"},
		},
		"manual may fail":               {"j: {script: x, when: manual}", Job{Line: 1, Script: []string{"x"}, When: "manual", AllowFailure: true}},
		"manual may not fail":           {"j: {script: x, when: manual, allow_failure: false}", Job{Line: 1, Script: []string{"x"}, When: "manual"}},
		"exit codes":                    {"j: {script: x, allow_failure: {exit_codes: [3, 4]}}", Job{Line: 1, Script: []string{"x"}, AllowedExitCodes: []int{3, 4}}},
		"one exit code":                 {"j: {script: x, allow_failure: {exit_codes: 3}}", Job{Line: 1, Script: []string{"x"}, AllowedExitCodes: []int{3}}},
		"allow_failure in YAML 1.1":     {"j: {script: x, allow_failure: yes}", Job{Line: 1, Script: []string{"x"}, AllowFailure: true}},
		"hooks":                         {"j: {script: x, hooks: {pre_get_sources_script: [a, b]}}", Job{Line: 1, Script: []string{"x"}, PreGetSources: []string{"a", "b"}}},
		"a job may be named like pages": {"pages: {script: x}", Job{Name: "pages", Line: 1, Script: []string{"x"}}},
	}
}

func TestParseJobs(t *testing.T) {
	t.Parallel()
	for name, c := range jobCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := c.want
			if want.Name == "" {
				want.Name = "j"
			}
			if want.Stage == "" {
				want.Stage = "test"
			}
			if want.When == "" {
				want.When = "on_success"
			}
			if diff := cmp.Diff(want, parseJob(t, c.file)); diff != "" {
				t.Errorf("job (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseVariables(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]Variable{
		`text`:                        {Value: "text"},
		`"yes"`:                       {Value: "yes"},
		`yes`:                         {Value: "true"},
		`Off`:                         {Value: "false"},
		`true`:                        {Value: "true"},
		`17`:                          {Value: "17"},
		`0755`:                        {Value: "493"},
		`"0755"`:                      {Value: "0755"},
		`0x1f`:                        {Value: "31"},
		`1_000`:                       {Value: "1000"},
		`123456789012345678901234567`: {Value: "123456789012345678901234567"},
		`1.10`:                        {Value: "1.1"},
		`2.0`:                         {Value: "2.0"},
		`1e3`:                         {Value: "1000.0"},
		`1.5e+20`:                     {Value: "1.5e+20"},
		`{value: "$A", expand: false, description: why}`: {Value: "$A", Raw: true},
		`{value: 3}`: {Value: "3"},
	} {
		pipeline, err := Parse([]byte("variables:\n  V: "+value+"\nj: {script: x}\n"), "ci.yml")
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		want.Name = "V"
		if diff := cmp.Diff([]Variable{want}, pipeline.Variables); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"empty":                {"", "ci.yml:1: the file is empty"},
		"only a comment":       {"# nothing\n", "ci.yml:1: the file is empty"},
		"syntax":               {"a: b\n  c: d\n", "ci.yml:2: not valid YAML"},
		"a list":               {"- a\n", "ci.yml:1: the file must be a mapping"},
		"unknown alias":        {"j:\n  script: *x\n", "not valid YAML: unknown anchor"},
		"two documents":        {"j: {script: x}\n---\nk: {script: x}\n", "second YAML document"},
		"no jobs":              {"stages: [a]\n.x: {script: x}\n", "no visible job"},
		"only .pre":            {"j: {script: x, stage: .pre}\n", "only jobs of the stages .pre and .post"},
		"include":              {"j: {script: x}\ninclude: x.yml\n", `ci.yml:2: keyword "include" is not supported by exec yet`},
		"retry":                {"j:\n  script: x\n  retry: 1\n", `ci.yml:3: keyword "retry" of job "j" is not supported by exec yet`},
		"retry in default":     {"default:\n  retry: 1\nj: {script: x}\n", `ci.yml:2: keyword "retry" of default is not supported by exec yet`},
		"image in both":        {"default:\n  image: a\nimage: b\nj: {script: x}\n", `ci.yml:3: "image" is both in default and at the top level`},
		"image in both, later": {"image: b\ndefault:\n  image: a\nj: {script: x}\n", `ci.yml:3: "image" is both in default and at the top level`},
		"unknown stage":        {"j:\n  script: x\n  stage: y\n", `ci.yml:1: job "j" is in stage "y", which does not exist; stages are .pre, build, test, deploy, .post`},
		"default stage absent": {"stages: [a]\nj: {script: x}\n", `in stage "test", which does not exist; stages are .pre, a, .post`},
		"job like keyword":     {"script: [x]\n", `ci.yml:1: keyword "script" is at the top level`},
		"job named true":       {"true: {script: x}\n", `"true" cannot be the name of a job`},
		"job is a string":      {"j: x\n", `ci.yml:1: job "j" must be a mapping with a script, this is a string`},
		"no script":            {"j:\n  image: x\n", `ci.yml:1: job "j" has no script`},
		"empty script":         {"j:\n  script: []\n", `ci.yml:1: job "j" has no script`},
		"script with a colon":  {"j:\n  script:\n    - echo a: b\n", `ci.yml:3: "script" of job "j" holds a mapping`},
		"script with number":   {"j:\n  script:\n    - 5\n", `ci.yml:3: "script" of job "j" must be a string or a list of strings, this is a number`},
		"wrong when":           {"j:\n  script: x\n  when: delayed\n", `ci.yml:3: "when" of job "j" must be one of on_success`},
		"wrong allow_failure":  {"j:\n  script: x\n  allow_failure: maybe\n", `ci.yml:3: "allow_failure" of job "j" must be true or false, this is a string`},
		"quoted allow_failure": {"j:\n  script: x\n  allow_failure: 'true'\n", `must be true or false`},
		"wrong exit code":      {"j:\n  script: x\n  allow_failure: {exit_codes: [a]}\n", `ci.yml:3: an exit code in "allow_failure" of job "j" must be a whole number`},
		"image number":         {"j:\n  script: x\n  image: 5\n", `ci.yml:3: "image" of job "j" must be a string, this is a number`},
		"image without name":   {"j:\n  script: x\n  image: {entrypoint: []}\n", `"image" of job "j" needs a name`},
		"image keyword":        {"j:\n  script: x\n  image: {name: a, kubernetes: {}}\n", `keyword "kubernetes" in "image" of job "j" is not supported by exec yet`},
		"pull policy":          {"j:\n  script: x\n  image: {name: a, pull_policy: sometimes}\n", `must be one of always, if-not-present, never`},
		"services string":      {"j:\n  script: x\n  services: db\n", `ci.yml:3: "services" of job "j" must be a list, this is a string`},
		"service command":      {"j:\n  script: x\n  services: [{name: a, command: b}]\n", `ci.yml:3: "command" in service 1 of job "j" must be a list of strings, this is a string`},
		"tags string":          {"j:\n  script: x\n  tags: a\n", `ci.yml:3: "tags" of job "j" must be a list of strings`},
		"timeout number":       {"j:\n  script: x\n  timeout: 60\n", `ci.yml:3: "timeout" of job "j" must be a string, this is a number`},
		"timeout words":        {"j:\n  script: x\n  timeout: soon\n", `ci.yml:3: "timeout" of job "j" is "soon": give a duration`},
		"timeout too long":     {"j:\n  script: x\n  timeout: 31 days\n", `at most a month`},
		"variable date":        {"variables:\n  D: 2024-01-01\nj: {script: x}\n", `ci.yml:2: variable "D" of the pipeline must be a string, a number or a boolean, this is of type timestamp`},
		"variable null":        {"variables:\n  D:\nj: {script: x}\n", `this is empty: put it into quotes`},
		"variable list":        {"variables:\n  D: [a]\nj: {script: x}\n", `this is a list`},
		"variable options":     {"variables:\n  D: {value: a, options: [a]}\nj: {script: x}\n", `keyword "options" of variable "D" of the pipeline is not supported by exec yet`},
		"job description":      {"j:\n  script: x\n  variables: {D: {value: a, description: b}}\n", `keyword "description" of variable "D" of job "j"`},
		"twice":                {"j: {script: x}\nj: {script: y}\n", `ci.yml:2: key "j" is already in line 1`},
		"reference":            {"j:\n  script: !reference [.a, script]\n", `ci.yml:2: tag "!reference" is not supported by exec yet`},
		"merge of a string":    {"j:\n  <<: a\n  script: x\n", `ci.yml:2: << needs a mapping, this is a string`},
		"hook":                 {"j:\n  script: x\n  hooks: {later: a}\n", `ci.yml:3: hook "later" of job "j" is not supported by exec yet`},
		"loop":                 {".a: &a [*a]\nj: {script: x}\n", `too large: aliases multiply it`},
		"deep script":          {"j:\n  script: [[[[[[[[[[[x]]]]]]]]]]]\n", `nested more than ten levels deep`},
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

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1h 30m": 90 * time.Minute, "1h30m": 90 * time.Minute, "90 minutes": 90 * time.Minute, "3600": time.Hour,
		"1 day and 2 hours": 26 * time.Hour, "1 week": 7 * 24 * time.Hour, "1.5 hours": 90 * time.Minute, "2 hrs, 20 min": 140 * time.Minute,
	} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"h", "1 moon", "one hour", "-5 m", "1h x", "99999999999999999999 weeks"} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(notes))
	f.Add([]byte(".a: &a {stage: build, <<: *a}\nj: {<<: [*a], script: [*a, 1.5e9, 2024-01-01, ~]}\n"))
	f.Add([]byte("default: {image: {name: a, docker: {user: 1}}}\nj: {script: x, services: [{name: b, variables: {A: 0o7}}], timeout: 1h 3m}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		pipeline, err := Parse(data, "ci.yml")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "ci.yml:") {
				t.Errorf("error without file and line: %v", err)
			}
			return
		}
		for _, job := range pipeline.Jobs {
			if job.Name == "" || len(job.Script) == 0 {
				t.Errorf("job without name or script: %+v", job)
			}
		}
	})
}
