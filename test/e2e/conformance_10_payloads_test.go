package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/coordinator"
)

// TestConformance_10_Payloads sends what this runner cannot do: each is a failure that says why.
func TestConformance_10_Payloads(t *testing.T) {
	t.Parallel()
	set := func(key string, value any) coordinator.JobSpec {
		return patched(job("echo never"), func(payload map[string]any) { payload[key] = value })
	}
	never := func(check func(*testing.T, ending)) func(*testing.T, ending) { return lacks(check, "\nnever\n") }
	withInputs := func(script ...string) coordinator.JobSpec {
		input := func(key, kind string, content any, sensitive bool) any {
			return map[string]any{"key": key, "value": map[string]any{"type": kind, "content": content, "sensitive": sensitive}}
		}
		return patched(job(script...), func(payload map[string]any) {
			payload["inputs"] = []any{
				input("word", "string", "plain", false), input("list", "array", []any{"one", "two"}, false), input("secret", "string", "nobody-sees-this", true),
			}
		})
	}
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"executor_opts", patched(job("echo never"), func(payload map[string]any) {
			payload["image"].(map[string]any)["executor_opts"] = map[string]any{"docker": map[string]any{"platfrom": "linux/arm64"}}
		}), never(fails("runner_system_failure", 0, `Unsupported "image" options [platfrom] for "docker executor"; supported options are [platform user]`))},
		{"executor_opts for kubernetes", patched(job("echo fine"), func(payload map[string]any) {
			payload["image"].(map[string]any)["executor_opts"] = map[string]any{"kubernetes": map[string]any{"user": "1000"}}
		}), succeeds("\nfine\n")},
		{"run", set("run", `[{"name":"hello","script":"echo hello"}]`), never(fails("runner_configuration_error", 0, "keyword run:", "use script:"))},
		{"inputs", withInputs("echo it is ${{ job.inputs.word }}, then ${{ job.inputs.list[1] }}", "echo ${{ job.inputs.secret }}"), lacks(succeeds("\nit is plain, then two\n", "\n[MASKED]\n"), "nobody-sees-this")},
		{"an input that is not there", withInputs("echo never ${{ job.inputs.other }}"), lacks(fails("runner_configuration_error", 0, `failed to interpolate job inputs: ${{ job.inputs.other }}: `, `there is no "other"`), "\nnever")},
		{"secrets", set("secrets", map[string]any{"S": map[string]any{"vault": map[string]any{}}}), never(fails("runner_configuration_error", 0, "secrets:"))},
		{"nulls and unknown fields", patched(job("echo fine"), func(payload map[string]any) {
			for _, key := range []string{"artifacts", "cache", "credentials", "dependencies", "services", "hooks", "inputs", "run", "secrets", "policy_options"} {
				payload[key] = nil
			}
			payload["never_heard_of"] = map[string]any{"a": []any{1, "b"}}
		}), succeeds("\nfine\n")},
		{"of a policy", patched(job("echo fine"), func(payload map[string]any) {
			payload["policy_options"] = map[string]any{"execution_policy_job": true, "policy_name": "scan all"}
		}), succeeds(`Job triggered by policy "scan all".`, "\nfine\n")},
		{"default image", patched(job("echo fine"), func(payload map[string]any) { payload["image"] = nil }), succeeds("image busybox:latest ...", "\nfine\n")},
		{"unreadable", set("steps", "none"), never(fails("runner_system_failure", 0))},
		{"clone path outside", with(job("echo never"), "GIT_CLONE_PATH=/etc/x"), never(fails("runner_configuration_error", 0, "GIT_CLONE_PATH is /etc/x"))},
		{"without sections", patched(job("echo fine"), func(payload map[string]any) { payload["features"].(map[string]any)["trace_sections"] = false }), lacks(succeeds("\nfine\n"), "section_start")},
	})
}

// TestConformance_10_Features: GitLab fails a job at once that needs a feature which its runner does not have, so what is told
// must be what is there.
func TestConformance_10_Features(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	j, log := w.run(with(job("true"), "GIT_STRATEGY=none", "FF_LOG_IMAGES_CONFIGURED_FOR_JOB=true"))
	succeeds()(t, ending{j, log})
	if text := w.log.String(); !strings.Contains(text, "images of the job") || !strings.Contains(text, "busybox:latest") {
		t.Errorf("the runner's log does not name the images of the job:\n%s", text)
	}
	want := map[string]bool{}
	for _, name := range strings.Fields(`variables image services service_variables service_multiple_aliases image_executor_opts service_executor_opts
		artifacts upload_multiple_artifacts upload_raw_artifacts artifacts_exclude cache fallback_cache_keys refspecs masking raw_variables multi_build_steps
		return_exit_code job_inputs trace_reset trace_checksum trace_size cancelable cancel_gracefully two_phase_job_commit`) {
		want[name] = true
	}
	for _, name := range strings.Fields("vault_secrets session terminal proxy shared native_steps_integration") {
		want[name] = false
	}
	if diff := cmp.Diff(want, j.Features); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
}
