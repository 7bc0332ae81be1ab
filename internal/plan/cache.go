package plan

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/helper"
	"lced-runner/jobapi"
)

// CacheSigner signs requests to a distributed cache, for as long as the job may take. An upload tells which key it is for.
type CacheSigner struct {
	Download func(object string) (url string, err error)
	Upload   func(object, key string) (url string, headers map[string]string, err error)
}

// Values of a cache's policy.
const (
	policyPull = "pull"
	policyPush = "push"
)

// caches are the caches of one job that name something to keep.
type caches struct {
	*compiler
	items  []jobapi.Cache
	hashed bool // FF_HASH_CACHE_KEYS
}

// newCaches expands what the runner expands: the keys and the policy. Globs are the helper's.
func newCaches(c *compiler) (*caches, error) {
	all := &caches{compiler: c, hashed: c.flags["FF_HASH_CACHE_KEYS"]}
	for _, item := range c.Job.Cache {
		if len(item.Paths) == 0 && !item.Untracked {
			continue
		}
		item.Policy = c.vars.expand(item.Policy)
		switch item.Policy {
		case "", "pull-push", policyPull, policyPush:
		default:
			return nil, refuse("cache policy %q is not one of pull-push, pull and push", item.Policy)
		}
		all.items = append(all.items, item)
	}
	return all, nil
}

// restore is the request for the stage before the script; nil when there is nothing to restore.
func (cs *caches) restore() *helper.Cache {
	return cs.request(func(item jobapi.Cache) (helper.CacheItem, bool) {
		out := helper.CacheItem{Paths: item.Paths}
		key, ok := cs.key(&out, "extraction", cs.nameOf(item.Key), true)
		switch {
		case !ok:
			return out, true
		case item.Policy == policyPush:
			out.Messages = append(out.Messages, helper.Message{Text: fmt.Sprintf("Not downloading cache %s due to policy", key.Name)})
			return out, true
		}
		out.Keys = []helper.CacheKey{key}
		var fallbacks []string
		for _, raw := range item.FallbackKeys {
			fallbacks = append(fallbacks, cs.nameOf(raw))
		}
		if last := cs.vars.get("CACHE_FALLBACK_KEY"); last != "" {
			if endsProtected(last) {
				out.Messages = append(out.Messages, helper.Message{Warning: true, Text: fmt.Sprintf("CACHE_FALLBACK_KEY %q is ignored: it must not end in -protected", last)})
			} else {
				fallbacks = append(fallbacks, last)
			}
		}
		for _, name := range fallbacks {
			if key, ok := cs.key(&out, "extraction", name, true); ok {
				out.Keys = append(out.Keys, key)
			}
		}
		return out, true
	})
}

// archive is the request for the stage after a success or a failure; nil when no cache is saved then.
func (cs *caches) archive(when executor.When) *helper.Cache {
	return cs.request(func(item jobapi.Cache) (helper.CacheItem, bool) {
		if !runsWhen(item.When, when) {
			return helper.CacheItem{}, false
		}
		out := helper.CacheItem{Paths: item.Paths, Untracked: item.Untracked}
		key, ok := cs.key(&out, "archiving", cs.nameOf(item.Key), false)
		switch {
		case !ok:
		case item.Policy == policyPull:
			out.Messages = append(out.Messages, helper.Message{Text: fmt.Sprintf("Not uploading cache %s due to policy", key.Name)})
		default:
			out.Keys = []helper.CacheKey{key}
		}
		return out, true
	})
}

func (cs *caches) request(of func(jobapi.Cache) (helper.CacheItem, bool)) *helper.Cache {
	r := &helper.Cache{
		Root: cs.Runner.CacheDir, CACertPEM: cs.ServerCA, MaxUpload: cs.Runner.Cache.MaxUploadedArchiveSize, TimeoutSeconds: 60 * cs.requestMinutes(),
		Format: cs.vars.get("CACHE_COMPRESSION_FORMAT"), Level: cs.vars.get("CACHE_COMPRESSION_LEVEL"), Ephemeral: cs.ephemeral(),
		CleanFailed: cs.flags["FF_CLEAN_UP_FAILED_CACHE_EXTRACT"],
	}
	for _, item := range cs.items {
		if one, ok := of(item); ok {
			r.Items = append(r.Items, one)
		}
	}
	if len(r.Items) == 0 {
		return nil
	}
	return r
}

// nameOf is a key as it is meant: with its variables replaced, or the usual one in place of an empty one.
func (cs *caches) nameOf(raw string) string {
	if raw == "" {
		raw = cs.Job.JobInfo.Name + "/" + cs.Job.GitInfo.Ref
	}
	return cs.vars.expand(raw)
}

// key says where the archive of a key lies. What is to be told about it goes into item.
func (cs *caches) key(item *helper.CacheItem, what, name string, download bool) (helper.CacheKey, bool) {
	say := func(warning bool, format string, args ...any) {
		item.Messages = append(item.Messages, helper.Message{Warning: warning, Text: fmt.Sprintf(format, args...)})
	}
	clean := hashKey(name)
	if !cs.hashed {
		if clean = sanitizeKey(name); clean == "" {
			say(false, "Skipping cache %s due to empty cache key", what)
			return helper.CacheKey{}, false
		}
		if clean != name {
			say(true, "cache key %q sanitized to %q", name, clean)
			name = clean
		}
	}
	key := helper.CacheKey{Name: name, Dir: path.Join(slugOf(cs.compiler), clean)}
	if cs.Cache == nil {
		return key, true
	}
	if err := cs.sign(&key, clean, download); err != nil {
		say(true, "the cache is kept on this machine only: %v", err)
	}
	return key, true
}

func (cs *caches) sign(key *helper.CacheKey, clean string, download bool) error {
	object, err := objectName(&cs.Runner.Cache, cs.names.short, cs.Job.JobInfo.ProjectID, clean, cs.hashed)
	if err != nil {
		return err
	}
	var r helper.SignedRequest
	if download {
		key.Download = &r
		r.URL, err = cs.Cache.Download(object)
	} else {
		key.Upload = &r
		r.URL, r.Header, err = cs.Cache.Upload(object, key.Name)
	}
	if err != nil {
		key.Download, key.Upload = nil, nil
	}
	return err
}

// requestMinutes is CACHE_REQUEST_TIMEOUT (docker-executor contract 5).
func (cs *caches) requestMinutes() int {
	const minutes = 10
	text := cs.vars.get("CACHE_REQUEST_TIMEOUT")
	n, err := strconv.Atoi(text)
	if err == nil && n > 0 {
		return n
	}
	if text != "" {
		cs.warn("CACHE_REQUEST_TIMEOUT is %q, expected a number of minutes: using %d", text, minutes)
	}
	return minutes
}

// ephemeral says why local archives are lost with the job; "" when they are not.
func (cs *caches) ephemeral() string {
	dir, covering, persistent := path.Clean(cs.Runner.CacheDir), "", false
	consider := func(dest string, lasting bool) {
		if (dir == dest || strings.HasPrefix(dir, dest+"/")) && len(dest) >= len(covering) {
			covering, persistent = dest, lasting
		}
	}
	consider(cs.dirs.builds, cs.strategy == string(helper.StrategyFetch) && !cs.Runner.Docker.DisableCache)
	for _, v := range cs.Runner.Docker.Volumes {
		consider(destinationOf(cs.compiler, v), v.Source != "" || !cs.Runner.Docker.DisableCache)
	}
	switch {
	case persistent:
		return ""
	case covering == "":
		return fmt.Sprintf("the cache is lost when the job ends: the runner has no volume for %s; add %q to volumes in [runners.docker] of its configuration", dir, dir)
	case cs.Runner.Docker.DisableCache:
		return "the cache is lost when the job ends: disable_cache is set in [runners.docker] of the runner's configuration"
	}
	return fmt.Sprintf("the cache is lost when the job ends: cache_dir of the runner's configuration, %s, is in a volume of this job only", dir)
}
