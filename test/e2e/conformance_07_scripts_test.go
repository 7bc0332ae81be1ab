package e2e

import (
	"regexp"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestConformance_07_Entrypoints shows when the entrypoint of a job's image runs, and that one which reads the checkout finds it.
func TestConformance_07_Entrypoints(t *testing.T) {
	t.Parallel()
	const said = "the image's entrypoint ran\n"
	cleared := in("lced-test/entrypoint:latest", `echo "FROM_ENTRYPOINT=<$FROM_ENTRYPOINT>"`)
	cleared.Job.Image.Entrypoint = []string{""}
	looks := job("echo from the script")
	looks.Job.Image.Entrypoint = []string{"sh", "-c", `cat "$CI_PROJECT_DIR/hello.txt"; exec "$@"`, "sh"}
	swallows := job("echo never")
	swallows.Job.Image.Entrypoint = []string{"sh", "-c", "echo I do as I please"}
	user := job("id -u", "echo mine >made-by-me", "cat made-by-me")
	user.Job.Image.User = "1234:1234"
	w := newWorld(t, plainConfig, map[string]string{"hello.txt": "hello from the checkout\n"})
	w.play([]scenario{
		{"image's own", after(in("lced-test/entrypoint:latest", `echo "FROM_ENTRYPOINT=<$FROM_ENTRYPOINT>"`), `echo "after: $FROM_ENTRYPOINT"`), func(t *testing.T, e ending) {
			succeeds("FROM_ENTRYPOINT=<yes>\n", "after: yes\n")(t, e)
			e.times(t, said, 2) // once per stage, since each is a start of the container
		}},
		{"cleared", cleared, lacks(succeeds("FROM_ENTRYPOINT=<>\n"), said)},
		{"job's own waits for the checkout", looks, succeeds("hello from the checkout\n", "from the script\n")},
		{"one that swallows the command", swallows, lacks(fails("runner_system_failure", 0, "I do as I please\n", "its entrypoint must exec its arguments"), "never\n")},
		{"image without a shell", in("lced-test/noshell:latest", "echo never"), lacks(fails("runner_configuration_error", 0, "lced-test/noshell:latest", "has no shell"), "never\n")},
		{"user of the job", user, succeeds("\n1234\n", "mine\n")},
		{"user of the image", in("lced-test/nonroot:latest", "id -u", "echo mine >made-by-me", "mkdir d && touch d/f", `cat made-by-me`), succeeds("\n1000\n", "mine\n")},
		{"user of the image, no sources", with(in("lced-test/nonroot:latest", "id -u", "echo mine >made-by-me", "pwd && cat made-by-me"), "GIT_STRATEGY=none"), succeeds("\n1000\n", "mine\n")},
	})
}

// scriptsOf are the scenarios of one shell. check is a command that only that shell passes.
func scriptsOf(shell, check string, pipefail bool, job func(script ...string) coordinator.JobSpec) []scenario {
	piped := succeeds("went on\n")
	if pipefail {
		piped = lacks(fails("script_failure", 3), "went on\n")
	}
	script := job(
		check+" && echo the right shell",
		"cd /tmp", `say() { echo "in a function: $1"; }`, "local_value=kept",
		`say "$local_value"`, "pwd",
		"if true; then\n  echo first\n  echo second\nfi",
		"cat <<END\nin a document: $CI_JOB_NAME\nEND",
		"cat; echo after cat", `read -r answer || echo "no answer"`,
		"sleep 600 & echo in the background",
		"false || echo allowed", "! true | false", "",
		`echo 'quotes "and" $dollars'; echo "back\\slash"`,
	)
	return []scenario{
		{shell + " semantics", script, succeeds("\nthe right shell\n", "\nin a function: kept\n", "\n/tmp\n", "first\nsecond\n", "$ if true; then # collapsed multi-line command",
			"in a document: job\n", "after cat\n", "no answer\n", "in the background\n", "\nallowed\n", "quotes \"and\" $dollars\n", "back\\slash\n")},
		{shell + " errexit", job("echo before", "false", "echo went on"), lacks(fails("script_failure", 1, "before\n", "Job failed: exit code 1"), "went on\n")},
		{shell + " pipefail", job("(exit 3) | true", "echo went on"), piped},
	}
}

// TestConformance_07_Shells runs the same scripts in bash, in dash and in the shell of busybox.
func TestConformance_07_Shells(t *testing.T) {
	t.Parallel()
	bash := func(script ...string) coordinator.JobSpec { return in("debian:bookworm-slim", script...) }
	dash := func(script ...string) coordinator.JobSpec {
		spec := in("debian:bookworm-slim", script...)
		spec.Job.Image.Entrypoint = []string{"sh", "-c", `rm -f /bin/bash /usr/bin/bash; exec "$@"`, "sh"}
		return spec
	}
	w := newWorld(t, plainConfig, nil)
	scenarios := scriptsOf("bash", `[ -n "$BASH_VERSION" ]`, true, bash)
	scenarios = append(scenarios, scriptsOf("dash", `[ -z "$BASH_VERSION" ]`, false, dash)...)
	scenarios = append(scenarios, scriptsOf("busybox", `[ -z "$BASH_VERSION" ]`, true, job)...)
	w.play(scenarios)
}

// TestConformance_07_Exits is about the ways in which a script can end.
func TestConformance_07_Exits(t *testing.T) {
	t.Parallel()
	const suicide = `kill -9 "$(sh -c 'echo $PPID')"`
	failing := after(job("echo before", "(exit 42)", "echo never"), `echo "status is $CI_JOB_STATUS"`)
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"exit code", failing, lacks(fails("script_failure", 42, "status is failed\n", "Job failed: exit code 42"), "never\n")},
		{"exit 255", job("exit 255"), fails("script_failure", 255)},
		{"exit 0 in the middle", job("exit 0", "echo never"), lacks(succeeds(), "never\n")},
		{"exec", job("exec echo replaced", "echo never"), lacks(succeeds("replaced\n"), "never\n")},
		{"unknown command", job("no-such-command", "echo never"), lacks(fails("script_failure", 127), "never\n")},
		{"syntax error", job("echo before", "if then", "echo never"), lacks(fails("script_failure", 2), "never\n")},
		{"a script that kills its shell", job(suicide, "echo never"), lacks(fails("script_failure", 137), "never\n")},
		{"after_script is another shell in the same container",
			after(job("cd /tmp", "touch here", "gone=yes", "g() { :; }"), `echo "status is $CI_JOB_STATUS"`, `[ -f /tmp/here ] && echo "file is there"`, `echo "gone is <$gone>"`, `pwd`, "type g || echo no function"),
			succeeds("Running after script...", "status is success\n", "file is there\n", "gone is <>\n", w.repo.Path+"\n", "no function\n")},
		{"a failing after_script is a warning", after(job("true"), "exit 7", "echo never"), lacks(succeeds("WARNING: after_script failed", "exit code 7"), "never\n")},
		{"a failing after_script that matters", with(after(job("true"), "exit 7"), "AFTER_SCRIPT_IGNORE_ERRORS=false"), fails("script_failure", 7)},
	})
}

// TestConformance_07_Steps is about steps, and how their variables and ends reach the user.
func TestConformance_07_Steps(t *testing.T) {
	t.Parallel()
	release := patched(job("echo built", "export GONE=yes"), func(payload map[string]any) {
		payload["steps"] = append(payload["steps"].([]any), map[string]any{
			"name": "release", "script": []any{`echo "released <$GONE>"`, `echo 'by $CI_JOB_NAME'`}, "timeout": 3600, "when": "on_success", "allow_failure": false,
		})
	})
	sections := with(job("echo one\necho two"), "FF_SCRIPT_SECTIONS=true")
	late := with(job("echo at last"), "EXECUTOR_JOB_SECTION_ATTEMPTS=2")
	late.Job.Image.Entrypoint = []string{"sh", "-c", `[ -f /tmp/tried ] || { touch /tmp/tried; exit 0; }; exec "$@"`, "sh"}
	once := late
	once.Job.Variables = nil
	w := newWorld(t, plainConfig+"  [runners.feature_flags]\n    FF_HASH_CACHE_KEYS = false\n", nil)
	w.play([]scenario{
		{"release", release, succeeds("section_start:", ":step_release\r", `Executing "step_release" stage of the job script`, "\nreleased <>\n", "\nby job\n")},
		{"FF_SCRIPT_SECTIONS", sections, func(t *testing.T, e ending) {
			succeeds("$ echo one\necho two\x1b[0;m\none\ntwo\n")(t, e)
			if !regexp.MustCompile(`section_start:\d{10}:section_script_step_0\[hide_duration=true,collapsed=true\]\r\x1b\[0K`).MatchString(e.log) || !regexp.MustCompile(`\nsection_end:\d{10}:section_script_step_0\r\x1b\[0K`).MatchString(e.log) {
				t.Errorf("no section of the command:\n%q", e.log)
			}
		}},
		{"a step of which nothing ran is tried again", late, succeeds("trying again (2 of 2)", "at last\n")},
		{"unless the job does not say so", once, lacks(fails("runner_system_failure", 0), "at last\n")},
	})
}
