package coordinator

import (
	"testing"

	"lced-runner/internal/ciyaml"
)

// TestCacheKeys is the server's part of job-api contract 8.1.
func TestCacheKeys(t *testing.T) {
	t.Parallel()
	dir := newRepository(t, "sha1")
	first, second := runGit(t, dir, "rev-parse", "v1"), runGit(t, dir, "rev-parse", "main")
	key := func(protected bool, sha string, c ciyaml.Cache) string {
		t.Helper()
		s := Submission{
			Pipeline:   &ciyaml.Pipeline{Jobs: []ciyaml.Job{{Name: "job", Caches: []ciyaml.Cache{c}}}},
			Repository: Repository{Dir: dir, Protected: protected},
		}
		all, err := cachePayloads(t.Context(), s, sha)
		if err != nil {
			t.Fatal(err)
		}
		return all["job"][0].Key
	}
	wantEqual(t, "key", "k-non_protected", key(false, second, ciyaml.Cache{Key: "k"}))
	wantEqual(t, "key of a protected ref", "k-protected", key(true, second, ciyaml.Cache{Key: "k"}))
	wantEqual(t, "shared key", "k-non_protected", key(true, second, ciyaml.Cache{Key: "k", Unprotect: true}))
	wantEqual(t, "no key", "default-non_protected", key(false, second, ciyaml.Cache{}))
	wantEqual(t, "key of a missing file", "p-default-non_protected", key(false, second, ciyaml.Cache{KeyFiles: []string{"gone"}, KeyPrefix: "p"}))

	for what, c := range map[string]ciyaml.Cache{"content": {KeyFiles: []string{"file", "gone"}}, "commit": {KeyFilesCommits: []string{"file"}}} {
		now, before := key(false, second, c), key(false, first, c)
		if now == before || len(now) != 40+len("-non_protected") {
			t.Errorf("key of a file's %s is %s, and was %s", what, now, before)
		}
	}
}
