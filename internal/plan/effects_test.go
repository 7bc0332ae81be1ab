package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// effect says what one key of the configuration does to a job, or where a test shows that.
type effect struct {
	key   string // from the top of the file
	value string // as TOML has it
	with  string // more lines of the same table that it needs; or, after a line of ---, of the file
	job   string // what the job has, as GitLab's JSON

	on    string // the requests to the engine that show it: build, helper, service, network, volume, pull, remove
	plan  bool   // or the plan
	want  string // what they contain with it, and without it not
	lacks string // or: what they contain without it, and with it not

	refused  string // or: a job is refused with this text
	disabled string // or: the runner takes no jobs, for this reason
	shown    string // or: file and test that show it, since it is not about one job
}

const effectJob = `{
  "id": 77, "token": "glcbt-64_job-token", "allow_git_fetch": true,
  "job_info": {"id": 77, "name": "job", "stage": "test", "project_id": 54, "project_name": "board"},
  "git_info": {"repo_url": "https://gitlab.example.com/lced/board.git", "ref": "main", "sha": "1111111111111111111111111111111111111111", "refspecs": ["+refs/heads/main:refs/remotes/origin/main"]},
  "runner_info": {"timeout": 3600},
  "variables": [{"key": "CI_PROJECT_PATH", "value": "lced/board", "public": true}, {"key": "SITE", "value": "attic", "public": true}],
  "image": {"name": "alpine:3"},
  "services": [{"name": "redis:7"}],
  "steps": [{"name": "script", "script": ["true"]}],
  "cache": [{"key": "modules", "paths": ["node_modules"], "policy": "pull-push", "when": "on_success"}],
  "artifacts": [{"name": "all", "paths": ["out"], "when": "on_success", "artifact_type": "archive", "artifact_format": "zip"}]
}`

// TestEveryKeyHasAnEffect feeds each key from the file through the plan to the engine, and fails for one that changes
// nothing. A key that the configuration gets and this table does not have is a failure, too.
func TestEveryKeyHasAnEffect(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range effects() {
		seen[e.key] = true
		t.Run(e.key, func(t *testing.T) {
			t.Parallel()
			e.check(t)
		})
	}
	for _, k := range config.Keys() {
		honoured := k.Class == config.Honoured && !(k.Kind == config.Table && k.Of == config.Table) && !(k.Kind == config.List && k.Of == config.Table)
		if honoured && !seen[k.Path] {
			t.Errorf("%s: nothing shows that it has an effect: add a row to effects()", k.Path)
		}
		delete(seen, k.Path)
	}
	for path := range seen {
		t.Errorf("%s is no key", path)
	}
}

func (e effect) check(t *testing.T) {
	without := e
	without.value = ""
	switch {
	case e.shown != "":
		file, test, _ := strings.Cut(e.shown, " ")
		source, err := os.ReadFile("../../" + file)
		if err != nil || !strings.Contains(string(source), "\nfunc "+test+"(t *testing.T) {") {
			t.Errorf("there is no test %s in %s (%v)", test, file, err)
		}
	case e.disabled != "":
		if r := loadEffect(t, e); !strings.Contains(r.Disabled, e.disabled) {
			t.Errorf("the runner is disabled by %q, want %q", r.Disabled, e.disabled)
		}
	case e.refused != "":
		if _, err := Compile(effectInput(t, e)); err == nil || !strings.Contains(err.Error(), e.refused) {
			t.Errorf("the job is refused with %v, want %q", err, e.refused)
		}
	case e.plan:
		old, now := readable(t, compileEffect(t, without)), readable(t, compileEffect(t, e))
		e.compare(t, "the plan", true, old, now)
	default:
		old, now := onTheWire(t, compileEffect(t, without).Plan), onTheWire(t, compileEffect(t, e).Plan)
		shown := strings.Fields(strings.NewReplacer("helper", "predefined", "service", "redis").Replace(e.on))
		for _, kind := range []string{"build", "predefined", "redis", "network", "volume", "pull", "remove"} {
			e.compare(t, "the request for "+kind, slices.Contains(shown, kind), old[kind], now[kind])
		}
	}
}

// compare looks for the text in what is without the key and with it: it must come or go where the effect is shown, and stay
// as it is elsewhere.
func (e effect) compare(t *testing.T, where string, shown bool, old, now string) {
	t.Helper()
	text := cmp.Or(e.want, e.lacks)
	before, after := strings.Contains(old, text), strings.Contains(now, text)
	if !shown && before != after || shown && (before != (e.want == "") || after != (e.want != "")) {
		t.Errorf("%q is in %s without the key: %v, with it: %v", text, where, before, after)
	}
}

// toml is a configuration with the key.
func (e effect) toml() string {
	tables := map[string]string{
		"[[runners]]":      "url = \"https://gitlab.example.com\"\ntoken = \"glrt-runnertoken123456\"\nexecutor = \"docker\"\n",
		"[runners.docker]": "image = \"alpine:3\"\nwait_for_services_timeout = -1\n",
	}
	order := []string{"[[runners]]", "[runners.docker]"}
	if e.value != "" || !strings.HasPrefix(e.key, "runners.docker.services.") { // there is no service without a name
		cut := strings.LastIndex(e.key, ".")
		table := "[" + e.key[:cut] + "]"
		if table == "[runners]" || table == "[runners.docker.services]" {
			table = "[" + table + "]"
		}
		if !slices.Contains(order, table) {
			order = append(order, table)
		}
		var kept strings.Builder
		for line := range strings.Lines(tables[table]) {
			if name, _, _ := strings.Cut(line, " "); name != e.key[cut+1:] {
				kept.WriteString(line)
			}
		}
		if e.value != "" {
			tables[table] = kept.String() + fmt.Sprintf("%s = %s\n", e.key[cut+1:], e.value)
		}
		more, rest, _ := strings.Cut(e.with, "---\n")
		tables[table] += more + "\n"
		tables["rest"] = rest
	}
	text := "concurrent = 1\n"
	for _, table := range order {
		text += table + "\n" + tables[table]
	}
	return text + tables["rest"]
}

func loadEffect(t *testing.T, e effect) *config.Runner {
	t.Helper()
	c, warnings, err := config.Parse([]byte(e.toml()), "config.toml", func(string) string { return "" })
	if err != nil || len(warnings) > 0 && e.disabled == "" {
		t.Fatalf("warnings %v, error %v in\n%s", warnings, err, e.toml())
	}
	return &c.Runners[0]
}

func effectInput(t *testing.T, e effect) Input {
	t.Helper()
	in := testInput()
	in.Runner = loadEffect(t, e)
	in.Job = &jobapi.Job{}
	for _, text := range []string{effectJob, e.job} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), in.Job); err != nil {
			t.Fatal(err)
		}
	}
	if in.Runner.Cache.Type != "" {
		in.Cache = testSigner()
	}
	return in
}

func compileEffect(t *testing.T, e effect) *Compiled {
	t.Helper()
	c, err := Compile(effectInput(t, e))
	if err != nil {
		t.Fatalf("%v with\n%s", err, e.toml())
	}
	return c
}
