package coordinator

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"lced-runner/internal/ciyaml"
)

// cachePayload is one entry of cache in the payload. Its keys may hold variables, which the runner expands.
type cachePayload struct {
	Key          string   `json:"key"`
	Untracked    bool     `json:"untracked"`
	Unprotect    bool     `json:"unprotect"`
	Paths        []string `json:"paths"`
	Policy       string   `json:"policy"`
	When         string   `json:"when"`
	FallbackKeys []string `json:"fallback_keys"`
}

// cachePayloads computes the caches of a pipeline's jobs, by job.
func cachePayloads(ctx context.Context, s Submission, sha string) (map[string][]cachePayload, error) {
	all := map[string][]cachePayload{}
	for _, job := range s.Pipeline.Jobs {
		payloads := []cachePayload{}
		for _, c := range job.Caches {
			key, err := cacheKey(ctx, s.Repository, sha, c)
			if err != nil {
				return nil, fmt.Errorf("making the cache key of job %s: %w", job.Name, err)
			}
			// A project keeps the caches of protected refs apart, unless it is told otherwise.
			suffix := "-non_protected"
			if s.Repository.Protected && !c.Unprotect {
				suffix = "-protected"
			}
			p := cachePayload{
				Key: key + suffix, Untracked: c.Untracked, Unprotect: c.Unprotect, Paths: c.Paths,
				Policy: c.Policy, When: c.When, FallbackKeys: []string{},
			}
			if p.Policy == "" {
				p.Policy = "pull-push"
			}
			if p.When == "" {
				p.When = "on_success"
			}
			for _, fallback := range c.FallbackKeys {
				p.FallbackKeys = append(p.FallbackKeys, fallback+suffix)
			}
			payloads = append(payloads, p)
		}
		all[job.Name] = payloads
	}
	return all, nil
}

// cacheKey is a cache's key, made from files where it is to change with them: the SHA-1 of what is known about each,
// behind the prefix.
func cacheKey(ctx context.Context, r Repository, sha string, c ciyaml.Cache) (string, error) {
	const unknown = "default"
	files := slices.Concat(c.KeyFiles, c.KeyFilesCommits)
	switch {
	case c.Key != "":
		return c.Key, nil
	case len(files) == 0:
		return unknown, nil
	}
	var ids []string
	for _, file := range files {
		id, err := fileID(ctx, r, sha, file, len(c.KeyFiles) > 0)
		if err != nil {
			return "", err
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	key := unknown
	if len(ids) > 0 {
		slices.Sort(ids)
		sum := sha1.Sum([]byte(strings.Join(slices.Compact(ids), "-")))
		key = hex.EncodeToString(sum[:])
	}
	if c.KeyPrefix != "" {
		key = c.KeyPrefix + "-" + key
	}
	return key, nil
}

// fileID is the id of a file's content or of the latest commit that changed it; empty where there is no such file.
func fileID(ctx context.Context, r Repository, sha, file string, content bool) (string, error) {
	if r.Dir == "" {
		return "", nil
	}
	if content {
		return git(ctx, r.Dir, "ls-tree", "--format=%(objectname)", sha, "--", file)
	}
	return git(ctx, r.Dir, "log", "-1", "--format=%H", sha, "--", file)
}
