package plan

import (
	"path/filepath"
	"strings"
	"testing"

	"lced-runner/internal/config"
)

// TestSanitizeKey is job-api contract 8.1, and checklist 20.
func TestSanitizeKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"main":               "main",
		"job/main":           "job/main",
		"../../etc":          "etc",
		"..":                 "",
		"/a//b/":             "a/b",
		"a/./b/../c":         "a/c",
		`a\..\..\b`:          "b",
		"a%2fb%2Fc":          "a/b/c",
		"%2e%2E/x":           "x",
		"%2e%2e%2f%2e%2e%2f": "",
		"a b ":               "a b",
		"a/b \t":             "a/b",
		"a/ ":                "a",
		"a/ / \n":            "a",
		" ":                  "",
		" a":                 " a",
		"größe/主":            "größe/主",
		"a.":                 "a.",
		". ":                 "",
		".. ":                "",
		"x/a/.. ":            "x",
	} {
		if got := sanitizeKey(key); got != want {
			t.Errorf("key %q is cleaned to %q, want %q", key, got, want)
		}
	}
}

func TestObjectName(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		store  config.CacheStore
		key    string
		hashed bool
		want   string // empty: refused
	}{
		"own":     {config.CacheStore{}, "k/x", false, "runner/abcdefghi/project/7/k/x"},
		"path":    {config.CacheStore{Path: "/a/b/"}, "k", false, "a/b/runner/abcdefghi/project/7/k"},
		"shared":  {config.CacheStore{Path: "a", Shared: true}, "k", false, "a/project/7/k"},
		"hashed":  {config.CacheStore{Shared: true}, hashKey("../k"), true, "project/7/" + hashKey("../k")[:2] + "/" + hashKey("../k")},
		"leaves":  {config.CacheStore{}, "../8/k", false, ""},
		"is base": {config.CacheStore{}, ".", false, ""},
	} {
		got, err := objectName(&test.store, "abcdefghi", 7, test.key, test.hashed)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s: object %q, error %v, want %q", name, got, err, test.want)
		}
	}
}

func TestEndsProtected(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"x-protected": true, "x-protected.. .": true, "x-protected \t": true, "x-protected/.": true, "x-protected%2f": true, `a/../x-protected\ `: true, "x-non_protected": false, "x-protected-1": false, "": false,
	} {
		if endsProtected(key) != want {
			t.Errorf("%q: %v, want %v", key, !want, want)
		}
	}
}

// FuzzSanitizeKey: a key is a path that does not leave the directory of the cache, and cleaning it again changes nothing.
func FuzzSanitizeKey(f *testing.F) {
	for _, seed := range []string{"gomod-main-2-non_protected", "job/main", "../../etc", "%2e%2E/%2f", `a\..\b`, " / ", "a/ /b ", "", "..%2f..%2fx-protected", "ü /ñ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		clean := sanitizeKey(key)
		if clean != "" && (!filepath.IsLocal(clean) || strings.HasPrefix(clean, "/")) {
			t.Errorf("%q becomes %q", key, clean)
		}
		if again := sanitizeKey(clean); again != clean && !strings.Contains(strings.ToLower(clean), "%2") {
			t.Errorf("%q becomes %q, and that %q", key, clean, again)
		}
	})
}
