// Package cache signs requests to a distributed cache, the [runners.cache] of the configuration.
//
// The runner signs and the helper sends: a job's containers never see the keys, only URLs that are good for one object, one
// method, and as long as the job may take. Signing is arithmetic: nothing here opens a connection.
//
// It decides neither what objects are called (plan) nor when they are moved (helper).
package cache

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"lced-runner/internal/config"
)

// Store is a bucket of an S3-compatible server.
type Store struct {
	keys       *config.CacheS3
	base       *url.URL // of the bucket
	region     string
	encryption map[string]string // headers of an upload
}

// New prepares the store of a configuration; nil when it asks for none. The error says what is wrong with the configuration.
func New(c *config.CacheStore) (*Store, error) {
	if c.Type == "" {
		return nil, nil
	}
	if why := c.Unusable(); why != "" {
		return nil, fmt.Errorf("distributed cache: %s", why)
	}
	base, region, err := bucketURL(&c.S3)
	if err != nil {
		return nil, fmt.Errorf("distributed cache: %w", err)
	}
	encryption, err := encryptionHeaders(&c.S3)
	if err != nil {
		return nil, err
	}
	return &Store{keys: &c.S3, base: base, region: region, encryption: encryption}, nil
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
func (s *Store) Download(object string, valid time.Duration) (string, error) {
	signed, err := s.sign(http.MethodGet, object, valid, nil)
	if err != nil {
		return "", fmt.Errorf("distributed cache: sign the download of %s: %w", object, err)
	}
	return signed, nil
}

// Upload signs the upload of an object, whose key people know as key, and returns the headers that the request must have.
func (s *Store) Upload(object, key string, valid time.Duration) (string, map[string]string, error) {
	headers := map[string]string{"X-Amz-Meta-Cachekey": url.PathEscape(key)} // a header holds no other letters than ASCII's
	maps.Copy(headers, s.encryption)
	signed, err := s.sign(http.MethodPut, object, valid, headers)
	if err != nil {
		return "", nil, fmt.Errorf("distributed cache: sign the upload of %s: %w", object, err)
	}
	return signed, headers, nil
}

// sign returns the signed address of a request for an object that has these headers, and perhaps others.
func (s *Store) sign(method, object string, valid time.Duration, headers map[string]string) (string, error) {
	if err := s3utils.CheckValidObjectName(object); err != nil {
		return "", err
	}
	req, err := http.NewRequest(method, s.base.String()+s3utils.EncodePath(object), nil)
	if err != nil {
		return "", err
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	presign := signer.PreSignV4
	if s3utils.IsAmazonOutpostsEndpoint(*s.base) {
		presign = signer.PreSignV4Outposts
	}
	seconds := int64(min(valid, longest) / time.Second)
	return presign(*req, s.keys.AccessKey, s.keys.SecretKey.Reveal(), s.keys.SessionToken.Reveal(), s.region, seconds).URL.String(), nil
}
