package cache

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"lced-runner/internal/config"
)

// Hosts of AWS; where the configuration names no server, the first is meant.
const (
	awsAddress     = "s3.amazonaws.com"
	awsAccelerated = "s3-accelerate.amazonaws.com"
)

// bucketURL is the address of the configuration's bucket, which ends with a slash, and the region for which its requests are signed.
func bucketURL(s3 *config.CacheS3) (base *url.URL, region string, err error) {
	server, err := serverURL(s3)
	if err != nil {
		return nil, "", err
	}
	if err := s3utils.CheckValidBucketName(s3.BucketName); err != nil {
		return nil, "", fmt.Errorf("use BucketName %q: %w", s3.BucketName, err)
	}
	region = s3.BucketLocation
	if region == "" {
		region = s3utils.GetRegionFromURL(*server)
	}
	if region == "" {
		region = "us-east-1" // what servers other than AWS's take, too
	}
	inHost := s3utils.IsVirtualHostSupported(*server, s3.BucketName)
	if s3.PathStyle != nil {
		inHost = !*s3.PathStyle
	}
	if s3utils.IsAmazonEndpoint(*server) {
		if server.Host, err = awsHost(s3, server, region); err != nil {
			return nil, "", err
		}
	}
	if inHost {
		server.Host = s3.BucketName + "." + server.Host
		return server.JoinPath("/"), region, nil
	}
	return server.JoinPath(s3.BucketName, "/"), region, nil
}

// serverURL is ServerAddress, without the port that its scheme has anyway: clients leave that out of what is signed.
func serverURL(s3 *config.CacheS3) (*url.URL, error) {
	scheme, port, address := "https", "443", s3.ServerAddress
	if s3.Insecure {
		scheme, port = "http", "80"
	}
	if address == "" {
		address = awsAddress
	}
	server, err := url.Parse(scheme + "://" + strings.TrimPrefix(address, scheme+"://"))
	if err != nil {
		return nil, fmt.Errorf("use ServerAddress %q: %w", address, err)
	}
	host := server.Hostname()
	if *server != (url.URL{Scheme: scheme, Host: server.Host, Path: server.Path}) || strings.Trim(server.Path, "/") != "" || !s3utils.IsValidIP(host) && !s3utils.IsValidDomain(host) {
		return nil, fmt.Errorf("use ServerAddress %q: expected a host and perhaps a port, such as minio.example.com:9000, which is asked by %s as Insecure says", address, scheme)
	}
	if server.Port() == port {
		server.Host = host
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
			server.Host = "[" + host + "]"
		}
	}
	return server, nil
}

// awsHost is AWS's host for a region, of which China's are in a domain of their own. FIPS and PrivateLink have hosts of their own, too.
func awsHost(s3 *config.CacheS3, server *url.URL, region string) (string, error) {
	switch {
	case s3.Accelerate && strings.Contains(s3.BucketName, "."):
		return "", fmt.Errorf("use BucketName %q: Accelerate needs one without dots", s3.BucketName)
	case s3.Accelerate:
		return awsAccelerated, nil
	case s3utils.IsAmazonFIPSEndpoint(*server), s3utils.IsAmazonPrivateLinkEndpoint(*server):
		return server.Host, nil
	}
	host := "s3." + region + ".amazonaws.com"
	if s3.DualStack {
		host = "s3.dualstack." + region + ".amazonaws.com"
	}
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	return host, nil
}
