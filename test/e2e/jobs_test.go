package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// cleanupContext is for what happens after a test's own context has ended.
func cleanupContext() context.Context { return context.Background() }

// job is a job in busybox with these script lines.
func job(script ...string) coordinator.JobSpec {
	return coordinator.JobSpec{Job: ciyaml.Job{Name: "job", Image: &ciyaml.Image{Name: "busybox:latest"}, Script: script}}
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, map[string]string{"hello.txt": "hello from the checkout\n"})
	j, log := w.run(job("cat hello.txt", "echo $CI_PROJECT_PATH"))
	if j.State != coordinator.StateSuccess {
		t.Fatalf("state %s (%s)\n%s", j.State, j.FailureReason, log)
	}
	for _, want := range []string{
		"Running with lced-runner", `Preparing the "docker" executor`, "section_start:", ":get_sources\r\x1b[0K",
		"Created fresh repository.", "as detached HEAD (ref is main)...", "Job started in ", "\x1b[32;1m$ cat hello.txt\x1b[0;m\n",
		"hello from the checkout\n", w.repo.Path + "\n", "\x1b[32;1mJob succeeded\x1b[0;m",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

// TestVariables shows that values reach scripts as GitLab means them, to the byte, and reach nobody else.
func TestVariables(t *testing.T) {
	t.Parallel()
	const (
		content = "first\n\n\t'quoted' \"$CI_JOB_ID\" `x` \\n ü \x7f\n\n"
		secret  = "s3cr3t-Value-4711"
	)
	variable := func(key, value string, flags ...string) map[string]any {
		v := map[string]any{"key": key, "value": value, "public": true, "masked": false}
		for _, flag := range flags {
			v[flag] = true
		}
		return v
	}
	values := patched(job(
		`printf 'B=<%s>\n' "$B"`, `printf 'R=<%s>\n' "$R"`, `printf 'LAST=<%s>\n' "$LAST"`, `printf 'LINES=<%s>\n' "$LINES_IN"`,
		`env | grep '^B='`,
	), func(payload map[string]any) {
		payload["variables"] = append(payload["variables"].([]any),
			variable("A", "a"), variable("C", "$A"), variable("B", "$A-${C}-$NOBODY-$$x"), variable("R", "$A ${C} $$", "raw"),
			variable("LAST", "first"), variable("LAST", "second"), variable("LINES_IN", "one 'two'\ntwo\n", "raw"))
	})
	// Masking is by what is written, however it is split, and to whichever stream.
	masked := job(`echo "whole: $TOKEN"`, `echo "$TOKEN" >&2`, `printf %s s3cr3t-Val; printf '%s\n' ue-4711`, `printf 's3cr3t-%s\n' Value-4710`)
	masked.Variables = []coordinator.Variable{{Key: "TOKEN", Value: secret, Masked: true}}
	file := job(`echo "path: $F"`, `sha256sum <"$F"`, `echo "$CI_JOB_ID" >"$F" && echo writable`)
	file.Variables = []coordinator.Variable{{Key: "F", Value: content, File: true, Raw: true}}
	fileFor1000 := file
	fileFor1000.Job.Image = &ciyaml.Image{Name: "lced-test/nonroot:latest"}
	wantFile := lacks(succeeds(fmt.Sprintf("%x", sha256.Sum256([]byte(content))), ".tmp/F\n", "writable\n"), "'quoted'")

	// The service writes what it sees to the volume that it shares with the job.
	private := beside(job(
		`until [ -f /builds/seen ]; do sleep 0.1; done`, `cat /builds/seen`, `echo "the job has $PRIVATE"`,
	), ciyaml.Service{
		Image: ciyaml.Image{Name: "busybox:latest"}, Command: []string{"sh", "-c", "env | sed 's/^/seen: /' >/builds/x; mv /builds/x /builds/seen; sleep 600"},
		Variables: []ciyaml.Variable{{Name: "OWN", Value: "of $PUBLIC"}},
	})
	private = with(private, "PUBLIC=everybody", "GIT_STRATEGY=none")
	private.Variables = []coordinator.Variable{{Key: "PRIVATE", Value: "from the project's settings"}}

	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"expansion", values, succeeds("B=<a-$A--$x>\n", "\nB=a-$A--$x\n", "R=<$A ${C} $$>\n", "LAST=<second>\n", "LINES=<one 'two'\ntwo\n>\n")},
		{"masked", masked, lacks(func(t *testing.T, e ending) {
			succeeds("whole: [MASKED]\n", "s3cr3t-Value-4710\n")(t, e)
			e.times(t, "[MASKED]", 3)
		}, secret)},
		{"file", file, wantFile},
		{"file in an image with a user", fileFor1000, wantFile},
		{"GITLAB_ENV", after(job(`echo "KEPT=with  two words" >>"$GITLAB_ENV"`, `unset KEPT`), `echo "kept: <$KEPT>"`), succeeds("kept: <with  two words>\n")},
		{"private", private, lacks(succeeds("seen: PUBLIC=everybody\n", "seen: OWN=of everybody\n", "seen: CI_PROJECT_DIR=/", "the job has from the project's settings\n"),
			"seen: PRIVATE", "seen: CI_JOB_TOKEN", "seen: CI_REPOSITORY_URL")},
	})
}

// TestEntrypoints shows when the entrypoint of a job's image runs, and that one which reads the checkout finds it.
func TestEntrypoints(t *testing.T) {
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

// TestShells runs the same scripts in bash, in dash and in the shell of busybox.
func TestShells(t *testing.T) {
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

// TestExits is about the ways in which a script can end.
func TestExits(t *testing.T) {
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

// TestLogIsExact sends bytes of every kind and much of it. Its checksum is compared by the coordinator.
func TestLogIsExact(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{4})
	blob := make([]byte, 2<<20)
	random.Read(blob)
	w := newWorld(t, plainConfig, map[string]string{"blob": string(blob)})
	script, lines := numbered(20000)
	w.play([]scenario{
		{"binary", job("cat blob"), func(t *testing.T, e ending) {
			if e.State != coordinator.StateSuccess || !strings.Contains(e.log, string(blob)) {
				t.Errorf("state %s; the log's %d bytes do not hold the file's bytes", e.State, len(e.log))
			}
		}},
		{"both streams", job("cat blob >&2"), func(t *testing.T, e ending) {
			// The command's own line is stdout and may come through anywhere beside stderr.
			if e.State != coordinator.StateSuccess || !strings.Contains(strings.Replace(e.log, "\x1b[32;1m$ cat blob >&2\x1b[0;m\n", "", 1), string(blob)) {
				t.Errorf("state %s; the log's %d bytes do not hold the file's bytes", e.State, len(e.log))
			}
		}},
		{"many lines", job(script), func(t *testing.T, e ending) {
			if e.State != coordinator.StateSuccess || !strings.Contains(e.log, lines) {
				t.Errorf("state %s; the log's %d bytes do not hold all lines", e.State, len(e.log))
			}
		}},
		{"no newline at the end", job("printf 'the last words'"), succeeds("the last words")},
	})
}
