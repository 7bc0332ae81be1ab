package config

import (
	"strings"

	"lced-runner/jobapi"
)

// CacheStore is [runners.cache]: where caches go besides the local volume. gitlab-runner writes its keys in CamelCase.
type CacheStore struct {
	Type                   string  `key:"Type" doc:"s3; empty: caches are kept on this machine only"`
	Path                   string  `key:"Path" doc:"prefix of object names"`
	Shared                 bool    `key:"Shared" doc:"runners with other tokens use the same objects"`
	MaxUploadedArchiveSize int64   `key:"MaxUploadedArchiveSize" flag:"cache-max_uploaded_archive_size" env:"CACHE_MAXIMUM_UPLOADED_ARCHIVE_SIZE" min:"0" doc:"larger archives, in bytes, are kept locally and not uploaded; 0: any is uploaded"`
	S3                     CacheS3 `key:"s3" doc:"S3, MinIO and the like"`

	_ ignored[bool] `key:"Insecure" flag:"-" doc:"belongs into [runners.cache.s3]; an old example has it here"`
	_ cacheGCS      `key:"gcs" doc:"Google Cloud Storage"`
	_ cacheAzure    `key:"azure" doc:"Azure Blob Storage"`
}

// CacheS3 is [runners.cache.s3].
type CacheS3 struct {
	ServerAddress        string        `key:"ServerAddress" doc:"host and port; empty means AWS"`
	AccessKey            string        `key:"AccessKey" doc:"access key"`
	SecretKey            jobapi.Secret `key:"SecretKey" doc:"secret key"`
	SessionToken         jobapi.Secret `key:"SessionToken" doc:"token of temporary keys"`
	BucketName           string        `key:"BucketName" doc:"bucket"`
	BucketLocation       string        `key:"BucketLocation" doc:"region of the bucket; empty means us-east-1"`
	Insecure             bool          `key:"Insecure" doc:"http instead of https"`
	PathStyle            *bool         `key:"PathStyle" doc:"the bucket is in the path, not in the host name; unset: so but for AWS, Google and Alibaba"`
	ServerSideEncryption string        `key:"ServerSideEncryption" doc:"S3, KMS or DSSE-KMS; empty means that the server decides"`
	EncryptionKeyID      string        `key:"ServerSideEncryptionKeyID" doc:"key of KMS"`
	DualStack            bool          `key:"DualStack" doc:"AWS's endpoints that also speak IPv6"`
	Accelerate           bool          `key:"Accelerate" doc:"AWS Transfer Acceleration"`
	AuthenticationType   string        `key:"AuthenticationType" flag:"cache-s3-authentication_type" doc:"access-key; iam is not supported"`

	_ ignored[string] `key:"RoleARN" why:"lced-runner signs with AccessKey and SecretKey only" doc:"role for the helper"`
	_ ignored[string] `key:"UploadRoleARN" why:"lced-runner signs with AccessKey and SecretKey only" doc:"old name of RoleARN"`
	_ ignored[int]    `key:"AssumeRoleMaxConcurrency" why:"lced-runner does not ask STS" doc:"requests to STS at once"`
	_ ignored[bool]   `key:"DisableAssumeRoleCredentialsCaching" why:"lced-runner does not ask STS" doc:"ask STS each time"`
}

// Unusable says why the distributed cache cannot be used although one is asked for; "" if it can, or none is.
func (c *CacheStore) Unusable() string {
	switch {
	case c.Type == "":
		return ""
	case !strings.EqualFold(c.Type, "s3"):
		return `its Type is "` + c.Type + `", and lced-runner has "s3" only`
	case strings.EqualFold(c.S3.AuthenticationType, "iam") || c.S3.AccessKey == "" || c.S3.SecretKey == "":
		return "it needs AccessKey and SecretKey in [runners.cache.s3]; roles of AWS (iam) are not supported"
	case c.S3.BucketName == "":
		return "BucketName is missing in [runners.cache.s3]"
	}
	return ""
}

type cacheGCS struct {
	_ ignored[string]        `key:"AccessID" why:"the only distributed cache of lced-runner is s3" doc:"service account"`
	_ ignored[jobapi.Secret] `key:"PrivateKey" why:"the only distributed cache of lced-runner is s3" doc:"its key"`
	_ ignored[string]        `key:"CredentialsFile" env:"GOOGLE_APPLICATION_CREDENTIALS" why:"the only distributed cache of lced-runner is s3" doc:"file with both"`
	_ ignored[string]        `key:"BucketName" why:"the only distributed cache of lced-runner is s3" doc:"bucket"`
	_ ignored[string]        `key:"UniverseDomain" why:"the only distributed cache of lced-runner is s3" doc:"domain of the API"`
}

type cacheAzure struct {
	_ ignored[string]        `key:"AccountName" why:"the only distributed cache of lced-runner is s3" doc:"storage account"`
	_ ignored[jobapi.Secret] `key:"AccountKey" why:"the only distributed cache of lced-runner is s3" doc:"its key"`
	_ ignored[string]        `key:"ContainerName" why:"the only distributed cache of lced-runner is s3" doc:"container"`
	_ ignored[string]        `key:"StorageDomain" why:"the only distributed cache of lced-runner is s3" doc:"domain of the API"`
}
