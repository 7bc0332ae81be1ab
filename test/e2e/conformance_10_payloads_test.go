package e2e

import (
	"testing"

	"lced-runner/internal/coordinator"
)

// TestConformance_10_Payloads sends what this runner cannot do: each is a failure that says why.
func TestConformance_10_Payloads(t *testing.T) {
	t.Parallel()
	set := func(key string, value any) coordinator.JobSpec {
		return patched(job("echo never"), func(payload map[string]any) { payload[key] = value })
	}
	never := func(check func(*testing.T, ending)) func(*testing.T, ending) { return lacks(check, "\nnever\n") }
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"executor_opts", patched(job("echo never"), func(payload map[string]any) {
			payload["image"].(map[string]any)["executor_opts"] = map[string]any{"docker": map[string]any{"platfrom": "linux/arm64"}}
		}), never(fails("runner_system_failure", 0, `Unsupported "image" options [platfrom] for "docker executor"; supported options are [platform user]`))},
		{"executor_opts for kubernetes", patched(job("echo fine"), func(payload map[string]any) {
			payload["image"].(map[string]any)["executor_opts"] = map[string]any{"kubernetes": map[string]any{"user": "1000"}}
		}), succeeds("\nfine\n")},
		{"run", set("run", `[{"name":"hello","script":"echo hello"}]`), never(fails("runner_configuration_error", 0, "keyword run:", "use script:"))},
		{"inputs", set("inputs", []any{map[string]any{"key": "x", "value": map[string]any{"type": "string", "content": "y"}}}), never(fails("runner_configuration_error", 0, "inputs:"))},
		{"secrets", set("secrets", map[string]any{"S": map[string]any{"vault": map[string]any{}}}), never(fails("runner_configuration_error", 0, "secrets:"))},
		{"nulls and unknown fields", patched(job("echo fine"), func(payload map[string]any) {
			for _, key := range []string{"artifacts", "cache", "credentials", "dependencies", "services", "hooks", "inputs", "run", "secrets", "policy_options"} {
				payload[key] = nil
			}
			payload["never_heard_of"] = map[string]any{"a": []any{1, "b"}}
		}), succeeds("\nfine\n")},
		{"default image", patched(job("echo fine"), func(payload map[string]any) { payload["image"] = nil }), succeeds("image busybox:latest ...", "\nfine\n")},
		{"unreadable", set("steps", "none"), never(fails("runner_system_failure", 0))},
		{"clone path outside", with(job("echo never"), "GIT_CLONE_PATH=/etc/x"), never(fails("runner_configuration_error", 0, "GIT_CLONE_PATH is /etc/x"))},
		{"without sections", patched(job("echo fine"), func(payload map[string]any) { payload["features"].(map[string]any)["trace_sections"] = false }), lacks(succeeds("\nfine\n"), "section_start")},
	})
}
