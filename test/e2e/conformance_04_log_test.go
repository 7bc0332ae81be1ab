package e2e

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestConformance_04_Masking is about what is done to the bytes of a log on their way.
func TestConformance_04_Masking(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-Value/4711?"
	encoded := job(
		`printf %s "$TOKEN" | base64`, `echo "$TOKEN" | base64`, `printf 'user:%s' "$TOKEN" | base64`,
		`printf 's3cr3t-Value%%2F4711%%3F\n'`, `printf 'bm90IGEgc2VjcmV0\n'`,
	)
	encoded.Variables = []coordinator.Variable{{Key: "TOKEN", Value: secret, Masked: true}}
	learnt := job(`value=$(echo learnt-at-run-time | tr a-z A-Z)`, `echo "::add-mask::$value"`, `echo "it is $value"`, `printf %s "$value" | base64`)
	// Masking is by what is written, however it is split, and to whichever stream.
	split := job(`echo "whole: $TOKEN"`, `echo "$TOKEN" >&2`, `printf %s s3cr3t-Val; sleep 1; printf '%s\n' ue/4711?`, `printf 's3cr3t-%s\n' Value/4710`)
	split.Variables = encoded.Variables
	tokens := patched(job("echo glpat-abc.def glrt-t1_ghi acme-jkl; echo 'GET /x?private_token=mno&y=z'"), func(payload map[string]any) {
		payload["features"].(map[string]any)["token_mask_prefixes"] = []any{"acme-"}
	})
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"split across chunks", split, lacks(func(t *testing.T, e ending) {
			succeeds("whole: [MASKED]\n", "s3cr3t-Value/4710\n")(t, e)
			e.times(t, "[MASKED]", 3)
		}, secret)},
		{"token prefixes and URL parameters", tokens, succeeds("\nglpat-[MASKED] glrt-[MASKED] acme-[MASKED]\n", "GET /x?private_token=[MASKED]&y=z\n")},
		{"FF_MASK_ALL_DEFAULT_TOKENS", with(tokens, "FF_MASK_ALL_DEFAULT_TOKENS=false"), succeeds("\nglpat-[MASKED] glrt-t1_ghi acme-[MASKED]\n")},
		{"encodings of a masked value", encoded, lacks(succeeds("bm90IGEgc2VjcmV0\n"),
			secret, base64.StdEncoding.EncodeToString([]byte(secret))[:20], base64.StdEncoding.EncodeToString([]byte("user:" + secret))[8:20], "s3cr3t-Value%2F4711%3F")},
		{"::add-mask::", learnt, lacks(succeeds("\n::add-mask::[MASKED]\n", "\nit is [MASKED]\n"), "LEARNT-AT-RUN-TIME", base64.StdEncoding.EncodeToString([]byte("LEARNT-AT-RUN-TIME")))},
		{"timestamps", with(job("echo on one", "echo on two >&2", `printf 'no newline'`), "FF_TIMESTAMPS=true"), func(t *testing.T, e ending) {
			succeeds("  feature flags: FF_TIMESTAMPS:true\x1b", "Z 01O on one\n", "Z 01E on two\n", "Z 01O no newline\n")(t, e)
			header := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 0[01][OE][ +]`)
			for line := range strings.Lines(e.log) {
				if !header.MatchString(line) {
					t.Errorf("a line without a header: %q", line)
				}
			}
		}},
		{"no timestamps unless asked for", job("true"), lacks(succeeds(), "feature flags:", "Z 00O ")},
		{"a flag that is neither true nor false", with(job("echo $FF_TIMESTAMPS"), "FF_TIMESTAMPS=maybe"), succeeds(`FF_TIMESTAMPS is "maybe", which is not true or false: ignored`, "\nfalse\n")},
		{"a flag without an effect says so", with(job("true"), "FF_NETWORK_PER_BUILD=0"), succeeds("WARNING: FF_NETWORK_PER_BUILD=false changes nothing: a job has a network of its own")},
		{"a line of 3 MB", job(`head -c 3000000 /dev/zero | tr '\0' x; echo; echo "the end"`), succeeds(strings.Repeat("x", 3000000) + "\nthe end\n")},
		{"CI_DEBUG_TRACE", with(job("echo shown"), "CI_DEBUG_TRACE=true"), succeeds("+ echo shown\n", "shown\n")}, // two streams, in whichever order,
	})
}

// TestConformance_04_EveryByte sends bytes of every kind and much of it. Its checksum is compared by the coordinator.
func TestConformance_04_EveryByte(t *testing.T) {
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

// TestConformance_04_OutputLimit also shows that a job goes on after its log is full.
func TestConformance_04_OutputLimit(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.writeConfig(fmt.Sprintf("concurrent = 1\ncheck_interval = 1\nconcurent = 2\n[[runners]]\n  name = \"limit\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  output_limit = 16\n  [runners.docker]%s    privilegd = true\n", w.url, w.token, plainConfig))
	w.startRunner()
	script, _ := numbered(5000)
	j, log := w.run(job(script, "exit 9"))
	e := ending{j, log}
	fails("script_failure", 9, "Job's log exceeded limit of 16384 bytes.\n")(t, e)
	if !strings.HasSuffix(log, "no more output will be collected.\x1b[0;m\n") {
		t.Errorf("the notice is not the end of the log: %q", log[max(0, len(log)-200):])
	}
	w.drain()
	for _, want := range []string{"config.toml:3: concurent: unknown key", "config.toml:15: runners.dind.privilegd: unknown key"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the runner does not warn of unknown keys: %q is not in\n%s", want, w.log)
		}
	}
}
