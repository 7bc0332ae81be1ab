package jobapi

import "testing"

// Checklist 19 and the rest of the mapping.
func TestMapFailureReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason    string
		supported []string
		want      string
	}{
		{"", nil, "script_failure"},
		{"script_failure", nil, "script_failure"},
		{"runner_system_failure", nil, "runner_system_failure"},
		{"job_execution_timeout", nil, "job_execution_timeout"},
		{"image_pull_failure", nil, "runner_system_failure"},
		{"image_pull_failure", []string{"image_pull_failure"}, "image_pull_failure"},
		{"runner_configuration_error", nil, "script_failure"},
		{"runner_configuration_error", []string{"runner_configuration_error"}, "runner_configuration_error"},
		{"runner_external_dependency_failure", []string{"runner_interrupted"}, "runner_system_failure"},
		{"runner_external_dependency_failure", []string{"runner_external_dependency_failure"}, "runner_external_dependency_failure"},
		{"runner_interrupted", nil, "unknown_failure"},
		{"runner_interrupted", []string{"runner_interrupted"}, "runner_interrupted"},
		{"job_canceled", nil, "unknown_failure"},
		{"unknown_failure", nil, "unknown_failure"},
		{"something_new", nil, "unknown_failure"},
		{"something_new", []string{"something_new"}, "something_new"},
	}
	for _, test := range tests {
		if got := MapFailureReason(test.reason, test.supported); got != test.want {
			t.Errorf("%q with %q: %q, want %q", test.reason, test.supported, got, test.want)
		}
	}
}
