package helper

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A transfer is tried three times, a second apart (job-api contract 8.3).
const (
	transferAttempts = 3
	transferPause    = time.Second
)

// trusting is a client that trusts these certificates in addition to the system's.
func trusting(pem []byte) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(pem) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // the system has none
		}
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport}
}

// refusal is an answer of the distributed cache that will not change.
type refusal struct{ status string }

func (r refusal) Error() string { return "the distributed cache answers " + r.status }

// transfer sends a signed request until it succeeds or cannot. use reads the answer of a status below 300.
func (s *caching) transfer(ctx context.Context, method string, r *SignedRequest, body func() (io.Reader, int64, error), use func(*http.Response) error) error {
	limit := time.Duration(s.Cache.TimeoutSeconds) * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %v (CACHE_REQUEST_TIMEOUT)", limit))
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := s.transferOnce(ctx, method, r, body, use)
		var no refusal
		if err == nil || errors.As(err, &no) || errors.Is(err, errNoCache) || attempt == transferAttempts || ctx.Err() != nil {
			return err
		}
		warning(s.out, "%v; trying again", err)
		if err := s.pause(ctx, transferPause); err != nil {
			return err
		}
	}
}

func (s *caching) transferOnce(ctx context.Context, method string, r *SignedRequest, body func() (io.Reader, int64, error), use func(*http.Response) error) error {
	content, size, err := body()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL, content)
	if err != nil {
		return refusal{"nothing: its address is not a URL"} // err holds the address
	}
	req.ContentLength = size
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	res, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("transfer of the cache: %w", context.Cause(ctx))
		}
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // the rest of it is the signed URL
		}
		return fmt.Errorf("reach the distributed cache at %s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return errNoCache
	case res.StatusCode >= 500:
		return fmt.Errorf("the distributed cache at %s answers %s", req.URL.Host, res.Status)
	case res.StatusCode >= 300:
		return refusal{res.Status}
	}
	return use(res)
}

// download brings the archive of a key, unless the local one is as new.
func (s *caching) download(ctx context.Context, key CacheKey) error {
	nothing := func() (io.Reader, int64, error) { return nil, 0, nil }
	return s.transfer(ctx, http.MethodGet, key.Download, nothing, func(res *http.Response) error {
		changed, _ := http.ParseTime(res.Header.Get("Last-Modified")) // without one, the zero time, the archive is taken
		if local, err := s.store.modified(key); err == nil && !changed.IsZero() && !changed.After(local) {
			fmt.Fprintf(s.out, "%s is up to date\n", cacheFile)
			return nil
		}
		fmt.Fprintf(s.out, "Downloading %s from %s\n", cacheFile, address(res.Request.URL))
		err := s.store.replace(key, func(w io.Writer) error {
			_, err := io.Copy(w, res.Body)
			return err
		})
		if err != nil {
			return fmt.Errorf("download the cache: %w", err)
		}
		if changed.IsZero() {
			return nil
		}
		return s.store.setModified(key, changed)
	})
}

// upload brings the archive of a key to the distributed cache. After a failure the local archive counts as outdated, or no later
// job would upload it while nothing changes.
func (s *caching) upload(ctx context.Context, key CacheKey) error {
	file, err := s.store.open(key)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if limit := s.Cache.MaxUpload; limit > 0 && info.Size() > limit {
		warning(s.out, "WARNING: cache archive (%d bytes) is larger than MaxUploadedArchiveSize (%d bytes): it is kept locally and not uploaded", info.Size(), limit)
		return nil
	}
	request := *key.Upload
	request.Header = map[string]string{
		"Content-Type": "application/octet-stream", "Last-Modified": info.ModTime().UTC().Format(http.TimeFormat),
	}
	for name, value := range key.Upload.Header {
		request.Header[name] = value
	}
	body := func() (io.Reader, int64, error) { return io.NewSectionReader(file, 0, info.Size()), info.Size(), nil }
	err = s.transfer(ctx, http.MethodPut, &request, body, func(res *http.Response) error {
		fmt.Fprintf(s.out, "Uploaded %s to %s\n", cacheFile, address(res.Request.URL))
		return nil
	})
	if err != nil {
		return errors.Join(err, s.store.setModified(key, time.Unix(0, 0)))
	}
	return nil
}

// address is a signed URL without its signature.
func address(u *url.URL) string {
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
