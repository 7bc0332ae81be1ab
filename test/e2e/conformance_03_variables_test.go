package e2e

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestConformance_03_Variables shows that values reach scripts as GitLab means them, to the byte, and reach nobody else.
func TestConformance_03_Variables(t *testing.T) {
	t.Parallel()
	const content = "first\n\n\t'quoted' \"$CI_JOB_ID\" `x` \\n ü \x7f\n\n"
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

	named := with(beside(in("$BASE:$TAG", "until nc mill 80 </dev/null; do sleep 0.1; done"), ciyaml.Service{
		Image: ciyaml.Image{Name: "${BASE}:latest"}, Alias: "$NAME", Variables: []ciyaml.Variable{{Name: "HEARD", Value: "of $PROJECT"}},
		Command: []string{"sh", "-c", `while :; do echo "heard $HEARD" | nc -l -p 80; done`},
	}), "BASE=busybox", "TAG=latest", "NAME=mill", "PROJECT=board")
	many := job(`echo "<$V0> <$V1999>"`, `env | grep -c '^V[0-9]*='`, `echo ${#BIG}`, `sha256sum <"$BIGFILE" | cut -c1-8`)
	for i := range 2000 {
		many = with(many, fmt.Sprintf("V%d=value %d", i, i))
	}
	big := strings.Repeat("0123456789abcdef", 64<<10)
	many = with(many, "BIG="+big)
	many.Variables = []coordinator.Variable{{Key: "BIGFILE", Value: big, File: true}}

	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"expansion", values, succeeds("B=<a-$A--$x>\n", "\nB=a-$A--$x\n", "R=<$A ${C} $$>\n", "LAST=<second>\n", "LINES=<one 'two'\ntwo\n>\n")},
		{"in names and options", named, succeeds("image busybox:latest ...", "Starting service busybox:latest...", "\nheard of board\n")},
		{"2,000 variables, and one of 1 MB", many, succeeds("<value 0> <value 1999>\n", "\n2000\n", "\n1048576\n", "BIG is longer than 128 KiB")},
		{"file", file, wantFile},
		{"file in an image with a user", fileFor1000, wantFile},
		{"GITLAB_ENV", after(job(`echo "KEPT=with  two words" >>"$GITLAB_ENV"`, `unset KEPT`), `echo "kept: <$KEPT>"`), succeeds("kept: <with  two words>\n")},
		{"private", private, lacks(succeeds("seen: PUBLIC=everybody\n", "seen: OWN=of everybody\n", "seen: CI_PROJECT_DIR=/", "the job has from the project's settings\n"),
			"seen: PRIVATE", "seen: CI_JOB_TOKEN", "seen: CI_REPOSITORY_URL")},
	})
}
