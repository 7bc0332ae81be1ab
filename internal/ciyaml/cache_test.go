package ciyaml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCache(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []Cache
	}{
		"one": {
			`j: {script: x, cache: {key: "$CI_COMMIT_REF_SLUG", paths: [vendor/], untracked: true, policy: $POLICY, when: always, unprotect: true, fallback_keys: [a, b]}}`,
			[]Cache{{Key: "$CI_COMMIT_REF_SLUG", Paths: []string{"vendor/"}, Untracked: true, Policy: "$POLICY", When: "always", Unprotect: true, FallbackKeys: []string{"a", "b"}}},
		},
		"several": {
			`j: {script: x, cache: [{key: {files: [go.sum], prefix: go}, paths: [a]}, {key: {files_commits: [a, b]}, paths: [b]}, {paths: [c]}]}`,
			[]Cache{
				{KeyFiles: []string{"go.sum"}, KeyPrefix: "go", Paths: []string{"a"}},
				{KeyFilesCommits: []string{"a", "b"}, Paths: []string{"b"}}, {Paths: []string{"c"}},
			},
		},
		"inherited":     {"default: {cache: {paths: [a]}}\nj: {script: x}", []Cache{{Paths: []string{"a"}}}},
		"of the top":    {"cache: {key: 7, paths: [a]}\nj: {script: x}", []Cache{{Key: "7", Paths: []string{"a"}}}},
		"switched off":  {"default: {cache: {paths: [a]}}\nj: {script: x, cache: []}", []Cache{}},
		"empty mapping": {"default: {cache: {paths: [a]}}\nj: {script: x, cache: {}}", []Cache{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, parseJob(t, c.file).Caches); diff != "" {
				t.Errorf("caches (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCacheErrors(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"j: {script: x, cache: [{}, {}, {}, {}, {}]}":                               "GitLab takes 4 at most",
		"j: {script: x, cache: vendor/}":                                            "must be a mapping or a list of mappings",
		"j: {script: x, cache: {path: [a]}}":                                        `keyword "path" in "cache" of job "j" is not supported`,
		"j: {script: x, cache: {key: {files: [a, b, c]}}}":                          "one or two files",
		"j: {script: x, cache: {key: {prefix: a}}}":                                 "one or two files",
		"j: {script: x, cache: {when: never}}":                                      "must be one of on_success",
		"j: {script: x, cache: {fallback_keys: [a, b, c, d, e, f]}}":                "GitLab takes 5 at most",
		"default: {cache: {paths: [a]}}\ncache: {paths: [b]}\nj: {script: x}":       "both in default and at the top level",
		"j: {script: x, cache: {key: {files: [a], files_commits: [b], prefix: c}}}": "one or two files",
		"j: {script: x, cache: {key: {files: [a], branch: b}}}":                     "is not supported",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse([]byte(file), "ci.yml"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}
