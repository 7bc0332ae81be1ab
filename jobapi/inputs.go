package jobapi

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Input is one value of the keyword inputs:, which expressions of the job name as job.inputs.KEY.
type Input struct {
	Key       string
	Value     any // string, json.Number, bool, []any or map[string]any
	Sensitive bool
}

// ParseInputs reads the job's inputs; nil where it has none. The content of each must be of the type that it announces.
func (j Job) ParseInputs() ([]Input, error) {
	if !hasContent(j.Inputs) {
		return nil, nil
	}
	var raw []struct {
		Key   string `json:"key"`
		Value struct {
			Type      string `json:"type"`
			Content   any    `json:"content"`
			Sensitive bool   `json:"sensitive"`
		} `json:"value"`
	}
	decoder := json.NewDecoder(bytes.NewReader(j.Inputs))
	decoder.UseNumber() // as it was written, not as a float prints it
	if err := decoder.Decode(&raw); err != nil {
		return nil, fmt.Errorf("read the job's inputs: %w", err)
	}
	var inputs []Input
	for _, r := range raw {
		if r.Key == "" {
			return nil, fmt.Errorf("read the job's inputs: one has no key")
		}
		if got := inputType(r.Value.Content); got != r.Value.Type {
			return nil, fmt.Errorf("read the job's inputs: input %q is announced as %q, but is %q", r.Key, r.Value.Type, got)
		}
		inputs = append(inputs, Input{Key: r.Key, Value: r.Value.Content, Sensitive: r.Value.Sensitive})
	}
	return inputs, nil
}

// inputType is GitLab's name for the type of a value.
func inputType(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "struct"
	}
	return "null"
}
