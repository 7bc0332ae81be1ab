package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"lced-runner/internal/config"
)

// sanitizeKey makes a path of a cache key that cannot leave the directory of the cache (job-api contract 8.1); "" when nothing is
// left of it.
func sanitizeKey(key string) string {
	key = strings.NewReplacer("%2f", "/", "%2F", "/", "%2e", ".", "%2E", ".", `\`, "/").Replace(key)
	for {
		dir, last := path.Split(path.Clean("/" + key))
		// Without its white space the last part may be one of the dots that cleaning is about.
		next := strings.Trim(dir+strings.TrimRightFunc(last, unicode.IsSpace), "/")
		if next == key {
			return key
		}
		key = next
	}
}

// hashKey is what FF_HASH_CACHE_KEYS makes of a key: any key is its own directory then, and needs no cleaning.
func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// endsProtected tells whether a fallback key is, or becomes when it is cleaned, one of protected refs.
func endsProtected(key string) bool {
	return slices.ContainsFunc([]string{key, sanitizeKey(key)}, func(k string) bool {
		return strings.HasSuffix(strings.TrimRightFunc(k, func(r rune) bool { return r == '.' || unicode.IsSpace(r) }), "-protected")
	})
}

// objectName is that of an archive in a distributed cache (job-api contract 8.4). A hashed key lies below its first two digits.
func objectName(store *config.CacheStore, short string, project int64, key string, hashed bool) (string, error) {
	if hashed {
		key = path.Join(key[:2], key)
	}
	var runner string
	if !store.Shared {
		runner = path.Join("runner", short)
	}
	base := path.Join(store.Path, runner, "project", strconv.FormatInt(project, 10))
	name := path.Join(base, key)
	if !strings.HasPrefix(name, base+"/") {
		return "", fmt.Errorf("cache key %q leaves the objects of its project", key)
	}
	return strings.TrimPrefix(name, "/"), nil
}
