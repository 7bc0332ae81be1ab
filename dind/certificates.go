package dind

import (
	"fmt"
	"net"

	"lced-runner/certs"
)

// File is one file of a volume that S or B mounts; its directories are 0755, and all of it belongs to root.
type File struct {
	Path string // relative to the volume's root, with slashes
	Mode int64  // permission bits
	Data []byte
}

// CertificateFiles makes the certificates of one job: names are the host names and IP addresses of [Certs.Names]. The
// server's files are those with which dockerd-entrypoint.sh only verifies and generates nothing; the authority's key, with
// which it would generate, does not exist any more.
//
// Every file is 0644: neither jobs nor the rootless image's daemon have to run as root, and no other container gets the volumes.
func CertificateFiles(names []string) (server, client []File, err error) {
	const mode = 0o644
	var hosts []string
	var addresses []net.IP
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			addresses = append(addresses, ip)
		} else {
			hosts = append(hosts, name)
		}
	}
	bundle, err := certs.New(hosts, addresses)
	if err != nil {
		return nil, nil, fmt.Errorf("making the certificates of the docker-in-docker sidecar: %w", err)
	}
	server = []File{
		{"ca/cert.pem", mode, bundle.CA},
		{"server/ca.pem", mode, bundle.CA},
		{"server/cert.pem", mode, bundle.ServerCert},
		{"server/key.pem", mode, bundle.ServerKey},
	}
	client = []File{
		{"ca.pem", mode, bundle.CA},
		{"cert.pem", mode, bundle.ClientCert},
		{"key.pem", mode, bundle.ClientKey},
	}
	return server, client, nil
}
