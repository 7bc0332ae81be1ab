package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"lced-runner/internal/archive"
)

// cacheStore holds the archives. The job can write there, so nothing is followed out of it.
type cacheStore struct{ root *os.Root }

// Names of the files of one key (job-api contract 8.2).
const (
	cacheFile     = "cache.zip"
	cacheMetadata = "metadata.json"
)

func openCacheStore(dir string) (cacheStore, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return cacheStore{}, fmt.Errorf("create the cache directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return cacheStore{}, fmt.Errorf("open the cache directory: %w", err)
	}
	return cacheStore{root}, nil
}

// open opens the archive of a key; fs.ErrNotExist when there is none.
func (c cacheStore) open(key CacheKey) (*os.File, error) {
	f, err := c.root.OpenFile(path.Join(key.Dir, cacheFile), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the local archive: %w", err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("open the local archive %s: it is not a file", f.Name())
	}
	return f, nil
}

// skew is how far apart the clocks of this machine and of a store may be.
const skew = 5 * time.Minute

// modified is when the archive of a key was made. One from the future tells of a clock that has jumped back, by which nothing
// would ever be newer: it counts as outdated, the zero of Unix time.
func (c cacheStore) modified(key CacheKey) (time.Time, error) {
	info, err := c.root.Lstat(path.Join(key.Dir, cacheFile))
	if err != nil {
		return time.Time{}, err
	}
	if made := info.ModTime(); time.Until(made) < skew {
		return made, nil
	}
	return time.Unix(0, 0), nil
}

// setModified changes it; the zero of Unix time means that the archive is not as it should be in the distributed cache.
func (c cacheStore) setModified(key CacheKey, t time.Time) error {
	return c.root.Chtimes(path.Join(key.Dir, cacheFile), time.Time{}, t)
}

// replace writes the archive of a key; a failure leaves the old one.
func (c cacheStore) replace(key CacheKey, write func(io.Writer) error) error {
	if err := c.root.MkdirAll(key.Dir, 0o700); err != nil {
		return fmt.Errorf("create the directory of the archive: %w", err)
	}
	name := path.Join(key.Dir, cacheFile)
	part := name + ".part"
	if err := c.root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what is left of an archive: %w", err)
	}
	f, err := c.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create the archive: %w", err)
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = c.root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, c.root.Remove(part))
	}
	return nil
}

// newerThan tells whether a file has changed since t. That one was deleted goes unnoticed, as with gitlab-runner.
func newerThan(files archive.Files, t time.Time) bool {
	for _, f := range files {
		if f.ModTime.After(t) {
			return true
		}
	}
	return false
}

func (s *caching) write(ctx context.Context, key CacheKey, files archive.Files) error {
	level, err := archive.ParseLevel(s.Cache.Level)
	if err != nil {
		warning(s.out, "WARNING: CACHE_COMPRESSION_LEVEL: %v", err)
	}
	pack := archive.WriteZip
	switch s.Cache.Format {
	case "", "zip":
	case "zipzstd":
		pack = archive.WriteZipZstd
	case "tarzstd":
		pack = archive.WriteTarZstd
	default:
		warning(s.out, "WARNING: CACHE_COMPRESSION_FORMAT %q is not one of zip, zipzstd and tarzstd: using zip", s.Cache.Format)
	}
	err = s.store.replace(key, func(w io.Writer) error { return pack(ctx, w, s.ProjectDir, files, level) })
	if err != nil {
		return err
	}
	return s.store.describe(key)
}

// describe writes the key as people know it beside the archive.
func (c cacheStore) describe(key CacheKey) error {
	text, err := json.Marshal(map[string]string{"cachekey": key.Name})
	if err != nil {
		return err
	}
	name := path.Join(key.Dir, cacheMetadata)
	if err := c.root.RemoveAll(name); err != nil {
		return fmt.Errorf("replace the archive's description: %w", err)
	}
	if err := c.root.WriteFile(name, text, 0o600); err != nil {
		return fmt.Errorf("write the archive's description: %w", err)
	}
	return nil
}
