package helper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"lced-runner/internal/archive"
)

// Cache belongs to [StageRestoreCache] and [StageArchiveCache]. No failure of a cache fails the stage.
type Cache struct {
	// Root is cache_dir, the mount point of a volume where the configuration has one for it.
	Root  string      `json:"root"`
	Items []CacheItem `json:"items"`
	// Format is CACHE_COMPRESSION_FORMAT: zip, zipzstd, tarzstd, or "" for zip. Level is CACHE_COMPRESSION_LEVEL.
	Format string `json:"format,omitempty"`
	Level  string `json:"level,omitempty"`
	// MaxUpload is the largest archive that is uploaded, in bytes; 0 means any.
	MaxUpload int64 `json:"max_upload,omitempty"`
	// CACertPEM are certificates that the distributed cache may show in addition to those that the system trusts.
	CACertPEM []byte `json:"ca_cert_pem,omitempty"`
	// TimeoutSeconds bounds each transfer.
	TimeoutSeconds int `json:"timeout_seconds"`
	// CleanFailed removes the paths of a cache that could not be extracted whole (FF_CLEAN_UP_FAILED_CACHE_EXTRACT).
	CleanFailed bool `json:"clean_failed,omitempty"`
	// Ephemeral says why archives that are not uploaded are lost with the job; "" if they are not.
	Ephemeral string `json:"ephemeral,omitempty"`
}

// CacheItem is one cache of the job.
type CacheItem struct {
	// Messages are said first.
	Messages []Message `json:"messages,omitempty"`
	// Keys are tried one after the other to restore; an archive is saved under the first. With none, nothing is done.
	Keys []CacheKey `json:"keys,omitempty"`
	// Paths are globs as the job has them: variables are expanded here, with those that the job's scripts have left.
	Paths     []string `json:"paths,omitempty"`
	Untracked bool     `json:"untracked,omitempty"`
}

// Message is a line for the job log.
type Message struct {
	Warning bool   `json:"warning,omitempty"`
	Text    string `json:"text"`
}

// CacheKey is where one archive lies.
type CacheKey struct {
	Name string `json:"name"` // for the log
	Dir  string `json:"dir"`  // of the archive, below Root
	// Download and Upload are signed requests to a distributed cache; nil where there is none.
	Download *SignedRequest `json:"download,omitempty"`
	Upload   *SignedRequest `json:"upload,omitempty"`
}

// SignedRequest holds no credential, but its URL is one for as long as it is valid: it is never logged.
type SignedRequest struct {
	URL    string            `json:"url"`
	Header map[string]string `json:"header,omitempty"`
}

// caching is a stage that restores or saves caches.
type caching struct {
	*stage
	store  cacheStore
	client *http.Client
}

// restore extracts, for each cache, the first archive that can be extracted.
func (s *caching) restore(ctx context.Context) error {
	return s.each(ctx, func(item CacheItem) {
		for _, key := range item.Keys {
			notice(s.out, "Checking cache for %s...", key.Name)
			err := s.extract(ctx, key)
			if err == nil {
				notice(s.out, "Successfully extracted cache")
				return
			}
			if ctx.Err() != nil {
				return
			}
			warning(s.out, "%v", err)
			warning(s.out, "Failed to extract cache")
			if s.Cache.CleanFailed && !errors.Is(err, errNoCache) {
				s.remove(ctx, item)
			}
		}
	})
}

// archive saves each cache whose files have changed.
func (s *caching) archive(ctx context.Context) error {
	return s.each(ctx, func(item CacheItem) {
		if len(item.Keys) == 0 {
			return
		}
		notice(s.out, "Creating cache %s...", item.Keys[0].Name)
		if err := s.create(ctx, item); err != nil {
			warning(s.out, "%v", err)
			warning(s.out, "Failed to create cache")
			return
		}
		notice(s.out, "Created cache")
	})
}

func (s *caching) each(ctx context.Context, do func(CacheItem)) error {
	if err := realDir(s.BuildsDir, s.ProjectDir); err != nil {
		return err
	}
	if err := obeyProxies(s.jobEnvironment()); err != nil {
		return err
	}
	s.client = trusting(s.Cache.CACertPEM)
	var err error
	if s.store, err = openCacheStore(s.Cache.Root); err != nil {
		warning(s.out, "No cache is used: %v", err)
		return nil
	}
	defer s.store.root.Close()
	for _, item := range s.Cache.Items {
		for _, m := range item.Messages {
			s.say(m.Warning, m.Text)
		}
		do(item)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", s.Stage, context.Cause(ctx))
		}
	}
	return nil
}

func (s *caching) say(isWarning bool, text string) {
	if isWarning {
		warning(s.out, "WARNING: %s", text)
		return
	}
	notice(s.out, "%s", text)
}

var errNoCache = errors.New("file does not exist")

func (s *caching) extract(ctx context.Context, key CacheKey) error {
	if key.Download != nil {
		err := s.download(ctx, key)
		switch {
		case errors.Is(err, errNoCache) || ctx.Err() != nil:
			return err
		case err != nil:
			warning(s.out, "%v; trying the local archive", err)
		}
	}
	file, err := s.store.open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoCache
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return archive.Extract(ctx, file, s.ProjectDir)
}

// remove clears what a failed extraction may have left of a cache.
func (s *caching) remove(ctx context.Context, item CacheItem) {
	notice(s.out, "Cleaning up what the failed extraction left...")
	paths := archive.Selection{Dir: s.ProjectDir, Paths: s.jobEnvironment().expandAll(item.Paths)}
	files, _, err := archive.Select(ctx, paths)
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if err = errors.Join(err, removeFrom(s.ProjectDir, names...)); err != nil {
		warning(s.out, "%v", err)
	}
}

func (s *caching) create(ctx context.Context, item CacheItem) error {
	key := item.Keys[0]
	files, err := s.files(ctx, item)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		warning(s.out, "No files to cache.")
		return nil
	}
	if saved, err := s.store.modified(key); err == nil && !newerThan(files, saved) {
		fmt.Fprintln(s.out, "Archive is up to date!")
		return nil
	}
	if err := s.write(ctx, key, files); err != nil {
		return err
	}
	if key.Upload != nil {
		return s.upload(ctx, key)
	}
	if s.Cache.Ephemeral != "" {
		warning(s.out, "WARNING: %s", s.Cache.Ephemeral)
		return nil
	}
	fmt.Fprintln(s.out, "No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.")
	return nil
}

func (s *caching) files(ctx context.Context, item CacheItem) (archive.Files, error) {
	selection := archive.Selection{Dir: s.ProjectDir, Paths: s.jobEnvironment().expandAll(item.Paths), Untracked: item.Untracked}
	if item.Untracked {
		var err error
		if selection.UntrackedFiles, err = s.untracked(ctx); err != nil {
			return nil, err
		}
	}
	files, notes, err := archive.Select(ctx, selection)
	tell(s.out, notes)
	return files, err
}
