package helper

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cacheStage is a stage with a project, a cache directory and a bucket, and what it says.
type cacheStage struct {
	caching
	t      *testing.T
	log    bytes.Buffer
	pauses int
}

func newCacheStage(t *testing.T, key CacheKey) *cacheStage {
	t.Helper()
	builds := t.TempDir()
	project := filepath.Join(builds, "group", "project")
	if err := os.MkdirAll(project, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &cacheStage{t: t}
	s.stage = &stage{
		Request: &Request{
			BuildsDir: builds, ProjectDir: project, TempDir: project + ".tmp",
			Cache: &Cache{Root: filepath.Join(t.TempDir(), "cache"), TimeoutSeconds: 60, Items: []CacheItem{{Keys: []CacheKey{key}, Paths: []string{"vendor"}}}},
		},
		commands: commands{out: &s.log, errw: &s.log, env: cleanEnv()},
		pause:    func(context.Context, time.Duration) error { s.pauses++; return nil },
	}
	return s
}

// localKey is a key without a distributed cache.
func localKey(name string) CacheKey { return CacheKey{Name: name, Dir: "group/project/" + name} }

func (s *cacheStage) file(name string) string { return filepath.Join(s.ProjectDir, name) }

func (s *cacheStage) do(work func(context.Context) error, wants ...string) {
	s.t.Helper()
	s.log.Reset()
	if err := work(s.t.Context()); err != nil {
		s.t.Errorf("a cache fails the stage: %v", err)
	}
	wantLines(s.t, s.log.String(), wants...)
}

func (s *cacheStage) clear() {
	s.t.Helper()
	if err := empty(s.ProjectDir); err != nil {
		s.t.Fatal(err)
	}
}

// change writes a file that is newer than any archive: a file system may give files of one moment the same time.
func (s *cacheStage) change(name string) {
	s.t.Helper()
	writeFile(s.t, s.file(name), "new")
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(s.file(name), later, later); err != nil {
		s.t.Fatal(err)
	}
}

func yellowLine(text string) string { return yellow + text + noColour }

func TestLocalCache(t *testing.T) {
	t.Parallel()
	s := newCacheStage(t, localKey("k"))
	writeFile(t, s.file("vendor/file"), "text")
	kept := "No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally."
	s.do(s.restore, green("Checking cache for k..."), yellowLine("file does not exist"), yellowLine("Failed to extract cache"))
	s.do(s.archive, green("Creating cache k..."), "vendor: found 2 matching artifact files and directories", kept, green("Created cache"))
	wantFile(t, filepath.Join(s.Cache.Root, "group/project/k/metadata.json"), `{"cachekey":"k"}`)

	s.clear()
	s.do(s.restore, green("Checking cache for k..."), green("Successfully extracted cache"))
	wantFile(t, s.file("vendor/file"), "text")
	s.do(s.archive, "Archive is up to date!", green("Created cache"))

	s.change("vendor/new")
	s.do(s.archive, kept, green("Created cache"))
	s.clear()
	s.do(s.archive, yellowLine("No files to cache."))
	s.do(s.restore, green("Successfully extracted cache"))
	wantFile(t, s.file("vendor/new"), "new")

	s.Cache.Ephemeral = "it is lost"
	s.change("vendor/newer")
	s.do(s.archive, yellowLine("WARNING: it is lost"))
}

func TestFormatsOfCaches(t *testing.T) {
	t.Parallel()
	for format, magic := range map[string]string{"": "PK", "zip": "PK", "zipzstd": "PK", "tarzstd": "\x28\xb5\x2f\xfd", "rar": "PK"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := newCacheStage(t, localKey("k"))
			s.Cache.Format = format
			writeFile(t, s.file("vendor/file"), "text")
			s.do(s.archive, green("Created cache"))
			text, err := os.ReadFile(filepath.Join(s.Cache.Root, "group/project/k/cache.zip"))
			if err != nil || !strings.HasPrefix(string(text), magic) {
				t.Errorf("the archive begins with %q, error %v", text[:4], err)
			}
			if said := strings.Contains(s.log.String(), `CACHE_COMPRESSION_FORMAT "rar" is not one of`); said != (format == "rar") {
				t.Errorf("log:\n%s", s.log.String())
			}
			s.clear()
			s.do(s.restore, green("Successfully extracted cache"))
			wantFile(t, s.file("vendor/file"), "text")
		})
	}
}

// TestFallbackKeys: an archive that is broken is no reason to stop.
func TestFallbackKeys(t *testing.T) {
	t.Parallel()
	s := newCacheStage(t, localKey("main"))
	writeFile(t, s.file("vendor/file"), "of main")
	s.do(s.archive)
	s.clear()
	writeFile(t, filepath.Join(s.Cache.Root, "group/project/broken/cache.zip"), "nonsense")
	s.Cache.Items[0].Keys = []CacheKey{localKey("gone"), localKey("broken"), localKey("main"), localKey("never")}
	s.do(s.restore, green("Checking cache for gone..."), green("Checking cache for broken..."), green("Checking cache for main..."), green("Successfully extracted cache"))
	if log := s.log.String(); strings.Contains(log, "never") || strings.Count(log, "Failed to extract cache") != 2 {
		t.Errorf("log:\n%s", log)
	}
	wantFile(t, s.file("vendor/file"), "of main")
}

// TestCleaningUpAfterAFailure removes what a half extracted cache has left, and nothing else.
func TestCleaningUpAfterAFailure(t *testing.T) {
	t.Parallel()
	for clean, left := range map[bool]string{false: "half", true: ""} {
		s := newCacheStage(t, localKey("broken"))
		s.Cache.CleanFailed = clean
		writeFile(t, filepath.Join(s.Cache.Root, "group/project/broken/cache.zip"), "nonsense")
		writeFile(t, s.file("vendor/sub/file"), "half")
		writeFile(t, s.file("source"), "text")
		s.do(s.restore, yellowLine("Failed to extract cache"))
		wantFile(t, s.file("source"), "text")
		if got, err := os.ReadFile(s.file("vendor/sub/file")); string(got) != left {
			t.Errorf("clean %v: left %q, error %v", clean, got, err)
		}
	}
}

// bucket is a distributed cache that answers as the test says.
type bucket struct {
	*httptest.Server
	object   []byte
	modified time.Time
	answers  []int // statuses of the next requests; 0, or none left: as asked
	requests []string
	header   http.Header // of the latest upload
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{modified: time.Now().Add(time.Minute)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.requests = append(b.requests, r.Method)
		if len(b.answers) > 0 {
			status := b.answers[0]
			if b.answers = b.answers[1:]; status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		if r.Method == http.MethodPut {
			b.header = r.Header
			b.object, _ = io.ReadAll(r.Body)
			if int64(len(b.object)) != r.ContentLength {
				w.WriteHeader(http.StatusLengthRequired)
			}
			return
		}
		if b.object == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Last-Modified", b.modified.UTC().Format(http.TimeFormat))
		w.Write(b.object)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *bucket) key() CacheKey {
	key := localKey("k")
	key.Download = &SignedRequest{URL: b.URL + "/b/k?Signature=secret"}
	key.Upload = &SignedRequest{URL: b.URL + "/b/k?Signature=secret", Header: map[string]string{"X-Amz-Meta-Cachekey": "k"}}
	return key
}

func (b *bucket) asked(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	b.requests = nil
}

func TestDistributedCache(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := newCacheStage(t, b.key())
	writeFile(t, s.file("vendor/file"), "text")

	s.do(s.restore, yellowLine("file does not exist"), yellowLine("Failed to extract cache"))
	b.asked(t, "GET")
	b.answers = []int{503, 500, 0}
	s.do(s.archive, "Uploaded cache.zip to "+b.URL+"/b/k", green("Created cache"))
	b.asked(t, "PUT", "PUT", "PUT")
	if b.header.Get("X-Amz-Meta-Cachekey") != "k" || b.header.Get("Content-Type") != "application/octet-stream" || b.header.Get("Last-Modified") == "" {
		t.Errorf("header of the upload: %v", b.header)
	}
	s.do(s.archive, "Archive is up to date!")
	b.asked(t)

	s.clear()
	s.do(s.restore, "Downloading cache.zip from "+b.URL+"/b/k", green("Successfully extracted cache"))
	s.do(s.restore, "cache.zip is up to date", green("Successfully extracted cache"))
	b.asked(t, "GET", "GET")
	wantFile(t, s.file("vendor/file"), "text")

	s.clear()
	b.answers = []int{500, 502, 503}
	s.do(s.restore, green("Successfully extracted cache")) // the local one
	b.asked(t, "GET", "GET", "GET")
	b.answers = []int{403}
	s.do(s.restore, green("Successfully extracted cache"))
	b.asked(t, "GET")
	b.object = nil
	s.do(s.restore, yellowLine("Failed to extract cache")) // what is gone there was cleared on purpose
	b.asked(t, "GET")
	if strings.Contains(s.log.String(), "Signature") {
		t.Errorf("the log holds a signature:\n%s", s.log.String())
	}
}

// TestUploadThatFails: the next job tries again although nothing has changed.
func TestUploadThatFails(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := newCacheStage(t, b.key())
	writeFile(t, s.file("vendor/file"), "text")
	b.answers = []int{403}
	s.do(s.archive, yellowLine("the distributed cache answers 403 Forbidden"), yellowLine("Failed to create cache"))
	b.asked(t, "PUT")
	s.do(s.archive, green("Created cache"))
	b.asked(t, "PUT")

	b.Close()
	s.change("vendor/new")
	s.do(s.archive, yellowLine("Failed to create cache"))
	if log := s.log.String(); !strings.Contains(log, "reach the distributed cache at 127.0.0.1") || strings.Contains(log, "Signature") || s.pauses != 2 {
		t.Errorf("%d pauses, log:\n%s", s.pauses, log)
	}
}

func TestLargeCachesStayHere(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := newCacheStage(t, b.key())
	s.Cache.MaxUpload = 10
	writeFile(t, s.file("vendor/file"), "text")
	s.do(s.archive, green("Created cache"))
	if b.asked(t); !strings.Contains(s.log.String(), "larger than MaxUploadedArchiveSize (10 bytes)") {
		t.Errorf("log:\n%s", s.log.String())
	}
}

// TestDownloadThatBreaksOff leaves the archive that was there.
func TestDownloadThatBreaksOff(t *testing.T) {
	t.Parallel()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("PK"))
	}))
	t.Cleanup(broken.Close)
	s := newCacheStage(t, localKey("k"))
	writeFile(t, s.file("vendor/file"), "text")
	s.do(s.archive, green("Created cache"))
	s.clear()
	s.Cache.Items[0].Keys[0].Download = &SignedRequest{URL: broken.URL}
	s.do(s.restore, green("Successfully extracted cache"))
	wantFile(t, s.file("vendor/file"), "text")
	wantGone(t, filepath.Join(s.Cache.Root, "group/project/k/cache.zip.part"))
}

func TestCacheEndsWithItsContext(t *testing.T) {
	t.Parallel()
	errEnd := errors.New("the job was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	s := newCacheStage(t, newBucket(t).key())
	writeFile(t, s.file("vendor/file"), "text")
	for _, work := range []func(context.Context) error{s.restore, s.archive} {
		if err := work(ctx); !errors.Is(err, errEnd) {
			t.Errorf("error %v", err)
		}
	}
}

// TestUntracked: the configuration that a job leaves must not run anything.
func TestUntracked(t *testing.T) {
	t.Parallel()
	s := newCacheStage(t, localKey("k"))
	plainGit(t, s.ProjectDir, "init", "-q")
	writeFile(t, s.file("tracked"), "")
	plainGit(t, s.ProjectDir, "add", "tracked")
	writeFile(t, s.file(".gitignore"), "*.o\n")
	writeFile(t, s.file("a.o"), "")
	pwned := s.file("pwned")
	plainGit(t, s.ProjectDir, "config", "core.fsmonitor", "touch "+pwned+"; false")
	s.Cache.Items[0] = CacheItem{Keys: []CacheKey{localKey("k")}, Untracked: true}
	s.do(s.archive, "untracked: found 2 files", green("Created cache"))
	wantGone(t, pwned)
}

// TestCacheOfAClockThatJumpedBack: an archive from the future would never be older than the files again.
func TestCacheOfAClockThatJumpedBack(t *testing.T) {
	t.Parallel()
	s := newCacheStage(t, localKey("k"))
	writeFile(t, s.file("vendor/file"), "text")
	s.do(s.archive, green("Created cache"))
	archive, later := filepath.Join(s.Cache.Root, "group/project/k", cacheFile), time.Now().Add(1000*time.Hour)
	if err := os.Chtimes(archive, later, later); err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.file("vendor/file"), "changed")
	s.do(s.archive, green("Created cache"))
	s.clear()
	s.do(s.restore, green("Successfully extracted cache"))
	wantFile(t, s.file("vendor/file"), "changed")
}
