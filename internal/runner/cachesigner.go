package runner

import (
	"lced-runner/internal/cache"
	"lced-runner/internal/plan"
)

// signer lets the plan of the job sign requests to the runner's distributed cache; nil when there is none.
func (l *life) signer() *plan.CacheSigner {
	store, valid := l.entry.cache, plan.Timeout(l.job)
	if store == nil {
		return nil
	}
	return &plan.CacheSigner{
		Download: func(object string) (string, error) { return store.Download(object, valid) },
		Upload: func(object, key string) (string, map[string]string, error) {
			return store.Upload(object, key, valid)
		},
	}
}

// openCache prepares the distributed cache. One that cannot be used keeps no job from running: the local cache remains.
func (e *entry) openCache() *cache.Store {
	store, err := cache.New(&e.config.Cache)
	if err != nil {
		e.log.Warn("caches are kept on this machine only", "error", err)
	}
	return store
}
