package plan

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/jobapi"
)

// someInputs have a value of each type.
const someInputs = `[
	{"key": "user", "value": {"type": "string", "content": "fred", "sensitive": false}},
	{"key": "pass-word", "value": {"type": "string", "content": "hunter2-hunter2", "sensitive": true}},
	{"key": "age", "value": {"type": "number", "content": 1.50}},
	{"key": "dry", "value": {"type": "boolean", "content": false}},
	{"key": "friends", "value": {"type": "array", "content": ["bob", {"name": "sally"}]}},
	{"key": "address", "value": {"type": "struct", "content": {"line 1": "42 <Way>", "town": "Sydney"}}}]`

func TestInterpolate(t *testing.T) {
	t.Parallel()
	job := &jobapi.Job{Inputs: json.RawMessage(someInputs)}
	for text, want := range map[string]string{
		"": "", "plain $X ${Y} }}": "plain $X ${Y} }}",
		"hello ${{ job.inputs.user }}, ${{job.inputs.user}}!": "hello fred, fred!",
		"${{ job.inputs.pass-word }}":                         "hunter2-hunter2",
		"${{ job.inputs.age }} ${{ str(job.inputs.age) }}":    "1.50 1.50",
		"${{\tjob.inputs.dry\n}}":                             "false",
		"${{ job.inputs.friends[0] }}":                        "bob",
		"${{ job.inputs.friends[ 1 ].name }}":                 "sally",
		`${{ job.inputs.address["line 1"] }}`:                 "42 <Way>",
		`${{ job.inputs['user'] }}`:                           "fred",
		"${{ job.inputs.friends }}":                           `["bob",{"name":"sally"}]`,
	} {
		job.Steps = []jobapi.Step{{Name: "script", Script: []string{text}}}
		got, _, _, err := interpolate(job)
		if err != nil || got.Steps[0].Script[0] != want {
			t.Errorf("%q: %v, want %q (%v)", text, got, want, err)
		}
	}
	for text, want := range map[string]string{
		"${{ job.inputs.nobody }}":      `there is no "nobody"`,
		"${{ job.inputs.user.first }}":  `there is no "first"`,
		"${{ job.inputs.friends[2] }}":  "has 2 elements",
		"${{ job.inputs.friends[-1] }}": "has 2 elements",
		"${{ job.inputs.friends[x] }}":  "has 2 elements",
		"${{ job.inputs.user ":          "}} is expected",
		"${{ job.inputs.user + 1 }}":    "}} is expected",
		"${{ str(job.inputs.user }}":    "no closing parenthesis",
		"${{ job.inputs.friends[0 }}":   "no closing bracket",
		"${{ env.HOME }}":               "understands job.inputs.NAME",
		"a\nb ${{ }} c":                 "${{ }}: this runner understands",
	} {
		job.Steps = []jobapi.Step{{Name: "after_script", Script: []string{text}}}
		_, _, _, err := interpolate(job)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "failed to interpolate job inputs: ") {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
		kind := "parse"
		if strings.Contains(want, "there is no") || strings.Contains(want, "elements") {
			kind = "evaluation"
		}
		if bad, ok := errors.AsType[*InputsError](err); !ok || bad.Kind != kind {
			t.Errorf("%q: %v is no error of the kind %s", text, err, kind)
		}
	}
}

// TestInterpolatePlaces fills an expression in wherever a job may have one, and shows where it is left alone.
func TestInterpolatePlaces(t *testing.T) {
	t.Parallel()
	const e, same = "${{ job.inputs.user }}", "${{ job.inputs.user }}"
	jobWith := func(e string) *jobapi.Job {
		list := func() []string { return []string{e} }
		image := func() jobapi.Image {
			i := jobapi.Image{Name: e, Alias: same, Entrypoint: list(), Command: list(), PullPolicy: list(), Variables: []jobapi.Variable{{Key: "K", Value: same}}}
			i.ExecutorOpts.Docker = jobapi.DockerOpts{Platform: e, User: e}
			return i
		}
		return &jobapi.Job{
			Inputs: json.RawMessage(someInputs), Variables: []jobapi.Variable{{Key: "K", Value: same}}, Image: image(), Services: []jobapi.Image{image(), image()},
			Steps:     []jobapi.Step{{Name: "script", Script: list()}, {Name: "after_script", Script: list()}, {Name: "release", Script: []string{same}}},
			Hooks:     []jobapi.Hook{{Script: []string{same}}},
			Artifacts: []jobapi.Artifact{{Name: e, Paths: list(), Exclude: list(), When: e, ExpireIn: e, Type: same, Format: same}},
			Cache:     []jobapi.Cache{{Key: e, Paths: list(), Policy: e, When: e, FallbackKeys: list()}},
		}
	}
	job, want := jobWith(e), jobWith("fred")
	got, secrets, texts, err := interpolate(job)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(jobWith(e), job); diff != "" {
		t.Errorf("the job itself has changed: %s", diff)
	}
	if !slices.Equal(secrets, []string{"hunter2-hunter2"}) || texts != 30 {
		t.Errorf("hidden are %q, %d texts had expressions", secrets, texts)
	}

	job.Inputs = nil
	if got, _, _, err := interpolate(job); err != nil || got != job {
		t.Errorf("a job without inputs becomes %v, %v", got, err)
	}
	job.Inputs = json.RawMessage(`[{"key": "k"}]`)
	if _, _, _, err := interpolate(job); err == nil {
		t.Error("inputs without a value are taken")
	}
}

// FuzzInterpolate finds expressions that end the runner, or texts that change without one.
func FuzzInterpolate(f *testing.F) {
	for _, seed := range []string{"", "${{ job.inputs.user }}", "${{ str(job.inputs.friends[1].name) }}", `${{ job.inputs["user"] }`, "${{ job.inputs.", "${{${{", "${{ str(str(str(job.inputs.age)))}}", "${{ job.inputs[", "$${{ job.inputs }}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		job := &jobapi.Job{Inputs: json.RawMessage(someInputs), Steps: []jobapi.Step{{Name: "script", Script: []string{text}}}}
		got, _, _, err := interpolate(job)
		switch {
		case err != nil:
		case !strings.Contains(text, "${{") && got.Steps[0].Script[0] != text:
			t.Errorf("%q becomes %q", text, got.Steps[0].Script[0])
		case strings.Contains(text, "${{ job.inputs.user }}") && !strings.Contains(got.Steps[0].Script[0], "fred"):
			t.Errorf("%q becomes %q", text, got.Steps[0].Script[0])
		}
	})
}
