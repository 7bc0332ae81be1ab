package ciyaml

import "fmt"

// Cache is one entry of cache:. Its key is Key, or made from the files that KeyFiles or KeyFilesCommits name.
type Cache struct {
	Key             string   // empty: the project's default
	KeyFiles        []string // by their content
	KeyFilesCommits []string // by the latest commits that changed them
	KeyPrefix       string   // before what is made from files
	FallbackKeys    []string
	Paths           []string
	Untracked       bool
	Unprotect       bool   // jobs of protected and of other refs share it
	Policy          string // pull-push (also when empty), pull, push, or a variable
	When            string // on_success (also when empty), on_failure or always
}

// cacheReader reads cache: out of resolved nodes.
type cacheReader struct{ source }

// GitLab's bounds.
const (
	maxCaches       = 4
	maxKeyFiles     = 2
	maxFallbackKeys = 5
)

// caches reads one cache or a list; it is never nil, since an empty one hides that of default.
func (r cacheReader) caches(value node, what string) ([]Cache, error) {
	items := value.items
	if value.kind != yamlSequence {
		items = []node{value}
	}
	if len(items) > maxCaches {
		return nil, r.errorf(value.line, "%s has %d entries, GitLab takes %d at most", what, len(items), maxCaches)
	}
	out := []Cache{}
	for _, item := range items {
		if item.kind != yamlMapping {
			return nil, r.errorf(item.line, "%s must be a mapping or a list of mappings, this is %s", what, item.describe())
		}
		var c Cache
		for _, e := range item.entries {
			if e.value.isNull() {
				continue
			}
			if err := r.keyword(&c, e, fmt.Sprintf("%q in %s", e.key, what)); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func (r cacheReader) keyword(c *Cache, e entry, what string) (err error) {
	switch e.key {
	case "key":
		err = r.key(c, e.value, what)
	case "paths":
		c.Paths, err = r.stringList(e.value, what)
	case "untracked":
		c.Untracked, err = r.boolean(e.value, what)
	case "unprotect":
		c.Unprotect, err = r.boolean(e.value, what)
	case "policy":
		c.Policy, err = r.text(e.value, what) // a variable is allowed, so the runner judges it
	case "when":
		c.When, err = r.oneOf(e.value, what, "on_success", "on_failure", "always")
	case "fallback_keys":
		if c.FallbackKeys, err = r.stringList(e.value, what); err == nil && len(c.FallbackKeys) > maxFallbackKeys {
			err = r.errorf(e.line, "%s has %d entries, GitLab takes %d at most", what, len(c.FallbackKeys), maxFallbackKeys)
		}
	default:
		err = r.errorf(e.line, "keyword %s is not supported by exec yet", what)
	}
	return err
}

// key reads a word, or files to make a key from.
func (r cacheReader) key(c *Cache, value node, what string) (err error) {
	if value.kind != yamlMapping {
		c.Key, err = r.textOrNumber(value, what)
		return err
	}
	for _, e := range value.entries {
		of := fmt.Sprintf("%q in %s", e.key, what)
		switch e.key {
		case "files":
			c.KeyFiles, err = r.stringList(e.value, of)
		case "files_commits":
			c.KeyFilesCommits, err = r.stringList(e.value, of)
		case "prefix":
			c.KeyPrefix, err = r.text(e.value, of)
		default:
			err = r.errorf(e.line, "keyword %s is not supported by exec yet", of)
		}
		if err != nil {
			return err
		}
	}
	if n, m := len(c.KeyFiles), len(c.KeyFilesCommits); n+m == 0 || n > 0 && m > 0 || n+m > maxKeyFiles {
		return r.errorf(value.line, "%s needs one or two files in files or in files_commits", what)
	}
	return nil
}
