package jobapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseInputs(t *testing.T) {
	t.Parallel()
	job := Job{Inputs: json.RawMessage(`[
		{"key": "name", "value": {"type": "string", "content": "fred", "sensitive": true}},
		{"key": "size", "value": {"type": "number", "content": 12345678901234567890.50}},
		{"key": "dry", "value": {"type": "boolean", "content": false}},
		{"key": "list", "value": {"type": "array", "content": ["a", 1]}},
		{"key": "map", "value": {"type": "struct", "content": {"k": "v"}}}]`)}
	got, err := job.ParseInputs()
	if err != nil {
		t.Fatal(err)
	}
	want := []Input{
		{"name", "fred", true}, {"size", json.Number("12345678901234567890.50"), false}, {"dry", false, false},
		{"list", []any{"a", json.Number("1")}, false}, {"map", map[string]any{"k": "v"}, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for raw, want := range map[string]string{
		`{}`: "", `[ ]`: "", `null`: "", ``: "",
		`[{}]`: "one has no key", `[{"key": "k"}]`: `input "k" is announced as "", but is "null"`,
		`[{"key": "k", "value": {"type": "number", "content": "1"}}]`: `announced as "number", but is "string"`, `"no list"`: "cannot unmarshal",
	} {
		inputs, err := Job{Inputs: json.RawMessage(raw)}.ParseInputs()
		if len(inputs) > 0 || (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", raw, inputs, err, want)
		}
	}
}
