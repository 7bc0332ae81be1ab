package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// s3 is a real S3-compatible server on the address that containers reach, with one bucket, caches.
type s3 struct {
	address string
	dir     string // holds the objects as files
	stop    func()
}

const s3Key, s3Secret = "key-of-the-runner", "secret-of-the-runner"

func startS3(t *testing.T) *s3 {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("..", "..", ".cache", "versitygw"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		required(t, "no S3 server: run test/engine/s3.sh")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(gateway(t, engine(t)), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &s3{address: l.Addr().String(), dir: t.TempDir()}
	l.Close()
	for _, dir := range []string{"objects/caches", "metadata"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log := &syncBuffer{}
	cmd := exec.Command(program, "--port", s.address, "--access", s3Key, "--secret", s3Secret,
		"posix", "--sidecar", filepath.Join(s.dir, "metadata"), filepath.Join(s.dir, "objects"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the S3 server:\n%s", log)
		}
	})
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			c.Close()
			return s
		}
		if time.Since(begun) > patience {
			t.Fatalf("the S3 server does not listen: %v\n%s", err, log)
		}
	}
}

// config is a runner with the server as its distributed cache. Without a volume for /cache the local archives die with each job.
func (s *s3) config(more string) dockerConfig {
	return dockerConfig(fmt.Sprintf(`
    image = "busybox:latest"
    pull_policy = "if-not-present"
  [runners.cache]
    Type = "s3"
    Path = "board"
    %s
    [runners.cache.s3]
      ServerAddress = %q
      AccessKey = %q
      SecretKey = %q
      BucketName = "caches"
      Insecure = true
`, more, s.address, s3Key, s3Secret))
}

// TestConformance_02_DistributedCache is job-api contract 8.4.
func TestConformance_02_DistributedCache(t *testing.T) {
	t.Parallel()
	server := startS3(t)
	w := newWorld(t, server.config("Shared = true"), nil)
	const secrets = "X-Amz-Signature"
	w.one("upload", caching(job(`[ ! -e vendor ]`, `mkdir vendor; echo "made by $CI_JOB_ID" >vendor/file`), vendor("grüße/deps")), lacks(succeeds(
		"Checking cache for grüße/deps-non_protected...", "file does not exist", "Failed to extract cache",
		"Uploaded cache.zip to http://"+server.address+"/caches/board/project/1/gr%C3%BC%C3%9Fe/deps-non_protected\n", "Created cache",
	), secrets, "lost", s3Secret))
	if info, err := os.Stat(filepath.Join(server.dir, "objects/caches/board/project/1/grüße/deps-non_protected")); err != nil || info.Size() == 0 {
		t.Errorf("the object is %v, error %v", info, err)
	}
	w.one("download", caching(job(`cat vendor/file`), vendor("grüße/deps")), lacks(succeeds(
		"Downloading cache.zip from http://"+server.address, "Successfully extracted cache", "made by 1\n", "Archive is up to date!",
	), secrets, "Uploaded"))
	w.one("hashed", caching(with(job(`mkdir vendor`), "FF_HASH_CACHE_KEYS=true"), vendor("k")), succeeds(
		"/caches/board/project/1/11/11d9bf40ec9f2dc005084a902ac0dd7f9d770635565e855461c82d7b33485eb8\n", "Created cache"))
	server.stop()
	w.one("server away", caching(job(`mkdir vendor; echo x >vendor/x`), vendor("grüße/deps")), lacks(succeeds(
		"reach the distributed cache at "+server.address, "trying the local archive", "Failed to create cache",
	), secrets))
}

// TestConformance_02_DistributedCacheBesideALocalOne: what is on the board already is not downloaded again, and what is too large stays there.
func TestConformance_02_DistributedCacheBesideALocalOne(t *testing.T) {
	t.Parallel()
	server := startS3(t)
	w := prepareWorld(t, nil)
	w.configure("\n    volumes = [\"/cache\"]" + server.config("MaxUploadedArchiveSize = 4000"))
	w.startRunner()
	w.one("upload", caching(job(`mkdir vendor; echo x >vendor/x`), vendor("k")), succeeds("Uploaded cache.zip to http://"+server.address+"/caches/board/runner/"))
	w.one("once more", caching(job(`cat vendor/x`), vendor("k")), succeeds("Successfully extracted cache"))
	w.one("local", caching(job(`cat vendor/x`), vendor("k")), lacks(succeeds("cache.zip is up to date\n", "Successfully extracted cache", "Archive is up to date!"), "Downloading"))
	w.one("too large", caching(job(`head -c 9000 /dev/urandom >vendor/large`), vendor("k")), lacks(succeeds(
		"larger than MaxUploadedArchiveSize (4000 bytes): it is kept locally", "Created cache"), "Uploaded cache.zip"))
	w.one("but here", caching(job(`[ -e vendor/large ]`), vendor("k")), lacks(succeeds("cache.zip is up to date\n"), "Downloading"))
}
