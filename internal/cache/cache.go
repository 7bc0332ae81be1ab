// Package cache signs requests to a distributed cache, the [runners.cache] of the configuration.
//
// The runner signs and the helper sends: a job's containers never see the keys, only URLs that are good for one object, one
// method, and as long as the job may take. Signing is arithmetic: nothing here opens a connection.
//
// It decides neither what objects are called (plan) nor when they are moved (helper).
package cache

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"lced-runner/internal/config"
)

// Store is a bucket of an S3-compatible server.
type Store struct {
	client     *minio.Client
	bucket     string
	encryption map[string]string // headers of an upload
}

// awsAddress is the server where the configuration names none.
const awsAddress = "s3.amazonaws.com"

// New prepares the store of a configuration; nil when it asks for none. The error says what is wrong with the configuration.
func New(c *config.CacheStore) (*Store, error) {
	if c.Type == "" {
		return nil, nil
	}
	if why := c.Unusable(); why != "" {
		return nil, fmt.Errorf("distributed cache: %s", why)
	}
	s3 := &c.S3
	address, region, lookup := s3.ServerAddress, s3.BucketLocation, minio.BucketLookupAuto
	if address == "" {
		address = awsAddress
	}
	if region == "" {
		region = "us-east-1" // without one the server would have to be asked
	}
	if s3.PathStyle != nil {
		lookup = minio.BucketLookupDNS
		if *s3.PathStyle {
			lookup = minio.BucketLookupPath
		}
	}
	client, err := minio.New(address, &minio.Options{
		Creds:  credentials.NewStaticV4(s3.AccessKey, s3.SecretKey.Reveal(), s3.SessionToken.Reveal()),
		Secure: !s3.Insecure, Region: region, BucketLookup: lookup,
	})
	if err != nil {
		return nil, fmt.Errorf("distributed cache: use ServerAddress %q: %w", address, err)
	}
	client.SetS3EnableDualstack(s3.DualStack)
	if s3.Accelerate {
		client.SetS3TransferAccelerate("s3-accelerate.amazonaws.com")
	}
	encryption, err := encryptionHeaders(s3)
	if err != nil {
		return nil, err
	}
	return &Store{client: client, bucket: s3.BucketName, encryption: encryption}, nil
}

// encryptionHeaders are AWS's names for ServerSideEncryption (config contract 5).
func encryptionHeaders(s3 *config.CacheS3) (map[string]string, error) {
	const header = "X-Amz-Server-Side-Encryption"
	headers := map[string]string{}
	switch strings.ToUpper(s3.ServerSideEncryption) {
	case "":
		return headers, nil
	case "S3", "AES256":
		headers[header] = "AES256"
		return headers, nil
	case "KMS", "AWS:KMS":
		headers[header] = "aws:kms"
	case "DSSE-KMS", "AWS:KMS:DSSE":
		headers[header] = "aws:kms:dsse"
	default:
		return nil, fmt.Errorf("distributed cache: ServerSideEncryption is %q, expected S3, KMS or DSSE-KMS", s3.ServerSideEncryption)
	}
	if s3.EncryptionKeyID != "" {
		headers[header+"-Aws-Kms-Key-Id"] = s3.EncryptionKeyID
	}
	return headers, nil
}

// longest is how long S3 lets a signature be valid.
const longest = 7 * 24 * time.Hour

// Download signs a request for an object.
func (s *Store) Download(ctx context.Context, object string, valid time.Duration) (string, error) {
	u, err := s.client.PresignedGetObject(ctx, s.bucket, object, min(valid, longest), nil)
	if err != nil {
		return "", fmt.Errorf("distributed cache: sign the download of %s: %w", object, err)
	}
	return u.String(), nil
}

// Upload signs the upload of an object, whose key people know as key, and returns the headers that the request must have.
func (s *Store) Upload(ctx context.Context, object, key string, valid time.Duration) (string, map[string]string, error) {
	headers := map[string]string{"X-Amz-Meta-Cachekey": url.PathEscape(key)} // a header holds no other letters than ASCII's
	for name, value := range s.encryption {
		headers[name] = value
	}
	signed := http.Header{}
	for name, value := range headers {
		signed.Set(name, value)
	}
	u, err := s.client.PresignHeader(ctx, http.MethodPut, s.bucket, object, min(valid, longest), nil, signed)
	if err != nil {
		return "", nil, fmt.Errorf("distributed cache: sign the upload of %s: %w", object, err)
	}
	return u.String(), headers, nil
}
