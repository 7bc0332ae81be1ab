package cache

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/config"
)

func store(t *testing.T, change func(*config.CacheS3)) *Store {
	t.Helper()
	c := config.CacheStore{Type: "s3", S3: config.CacheS3{
		ServerAddress: "minio.lan:9000", AccessKey: "key-of-the-runner", SecretKey: "secret-of-the-runner", BucketName: "caches", Insecure: true,
	}}
	if change != nil {
		change(&c.S3)
	}
	s, err := New(&c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, test := range map[string]struct {
		change func(*config.CacheS3)
		want   string // scheme, host and path
		region string
	}{
		"server of one's own":     {nil, "http://minio.lan:9000/caches/project/1/key", "us-east-1"},
		"https and region":        {func(c *config.CacheS3) { c.Insecure, c.BucketLocation = false, "eu-west-1" }, "https://minio.lan:9000/caches/project/1/key", "eu-west-1"},
		"bucket in the host name": {func(c *config.CacheS3) { c.PathStyle = &no }, "http://caches.minio.lan:9000/project/1/key", "us-east-1"},
		"AWS": {
			func(c *config.CacheS3) { c.ServerAddress, c.Insecure, c.BucketLocation = "", false, "eu-central-1" },
			"https://caches.s3.eu-central-1.amazonaws.com/project/1/key", "eu-central-1",
		},
		"AWS with the bucket in the path": {
			func(c *config.CacheS3) { c.ServerAddress, c.Insecure, c.PathStyle = "", false, &yes },
			"https://s3.us-east-1.amazonaws.com/caches/project/1/key", "us-east-1",
		},
		"AWS in China, by IPv6 too": {
			func(c *config.CacheS3) {
				c.ServerAddress, c.Insecure, c.BucketLocation, c.DualStack = "", false, "cn-north-1", true
			},
			"https://caches.s3.dualstack.cn-north-1.amazonaws.com.cn/project/1/key", "cn-north-1",
		},
		"the region that the server's name has": {
			func(c *config.CacheS3) { c.ServerAddress, c.Insecure = "s3.eu-west-1.amazonaws.com", false },
			"https://caches.s3.eu-west-1.amazonaws.com/project/1/key", "eu-west-1",
		},
		"accelerated": {
			func(c *config.CacheS3) { c.ServerAddress, c.Insecure, c.Accelerate = "", false, true },
			"https://caches.s3-accelerate.amazonaws.com/project/1/key", "us-east-1",
		},
		"a bucket that no certificate covers": {
			func(c *config.CacheS3) { c.ServerAddress, c.Insecure, c.BucketName = "", false, "my.caches" },
			"https://s3.us-east-1.amazonaws.com/my.caches/project/1/key", "us-east-1",
		},
		"the port that the scheme has anyway": {
			func(c *config.CacheS3) { c.ServerAddress = "http://[fd00::1]:80/" },
			"http://[fd00::1]/caches/project/1/key", "us-east-1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := store(t, test.change)
			get, err := s.Download("project/1/key", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			put, _, err := s.Upload("project/1/key", "key", 30*24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			for signed, seconds := range map[string]string{get: "3600", put: "604800"} {
				u, err := url.Parse(signed)
				if err != nil {
					t.Fatal(err)
				}
				q := u.Query()
				if got := u.Scheme + "://" + u.Host + u.Path; got != test.want {
					t.Errorf("address %s, want %s", got, test.want)
				}
				if q.Get("X-Amz-Expires") != seconds || len(q.Get("X-Amz-Signature")) != 64 {
					t.Errorf("not valid for %s seconds: %s", seconds, signed)
				}
				if !strings.HasSuffix(q.Get("X-Amz-Credential"), "/"+test.region+"/s3/aws4_request") {
					t.Errorf("credential %q, want region %s", q.Get("X-Amz-Credential"), test.region)
				}
			}
		})
	}
}

func TestHeadersOfAnUploadAreSigned(t *testing.T) {
	t.Parallel()
	for encryption, want := range map[string]map[string]string{
		"":         {},
		"S3":       {"X-Amz-Server-Side-Encryption": "AES256"},
		"aes256":   {"X-Amz-Server-Side-Encryption": "AES256"},
		"KMS":      {"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "k1"},
		"DSSE-KMS": {"X-Amz-Server-Side-Encryption": "aws:kms:dsse", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "k1"},
	} {
		t.Run(encryption, func(t *testing.T) {
			t.Parallel()
			s := store(t, func(c *config.CacheS3) { c.ServerSideEncryption, c.EncryptionKeyID = encryption, "k1" })
			signed, headers, err := s.Upload("project/1/key", "grüße/main", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			want["X-Amz-Meta-Cachekey"] = "gr%C3%BC%C3%9Fe%2Fmain"
			if diff := cmp.Diff(want, headers); diff != "" {
				t.Error(diff)
			}
			u, _ := url.Parse(signed)
			count := len(strings.Split(u.Query().Get("X-Amz-SignedHeaders"), ";"))
			if count != len(want)+1 { // and the host
				t.Errorf("signed headers %q", u.Query().Get("X-Amz-SignedHeaders"))
			}
		})
	}
}

func TestConfigurationsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	good := config.CacheStore{Type: "s3", S3: config.CacheS3{AccessKey: "a", SecretKey: "b", BucketName: "caches"}}
	for name, change := range map[string]func(*config.CacheStore){
		"gcs": func(c *config.CacheStore) { c.Type = "gcs" }, "no keys": func(c *config.CacheStore) { c.S3.SecretKey = "" },
		"iam": func(c *config.CacheStore) { c.S3.AuthenticationType = "iam" }, "no bucket": func(c *config.CacheStore) { c.S3.BucketName = "" },
		"encryption": func(c *config.CacheStore) { c.S3.ServerSideEncryption = "rot13" }, "path": func(c *config.CacheStore) { c.S3.ServerAddress = "http://x/y" },
		"scheme": func(c *config.CacheStore) { c.S3.ServerAddress = "http://x" }, "host": func(c *config.CacheStore) { c.S3.ServerAddress = "a b" },
		"query": func(c *config.CacheStore) { c.S3.ServerAddress = "x?y" }, "bucket": func(c *config.CacheStore) { c.S3.BucketName = "a/b" },
		"accelerated dots": func(c *config.CacheStore) { c.S3.BucketName, c.S3.Accelerate = "my.caches", true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			change(&c)
			if s, err := New(&c); err == nil || s != nil {
				t.Errorf("store %v, error %v", s, err)
			}
		})
	}
	if s, err := New(&config.CacheStore{}); s != nil || err != nil {
		t.Errorf("no distributed cache is store %v, error %v", s, err)
	}
}
