package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"time"
)

// selfSigned makes the server's certificate for a host name or address, and its public part as PEM: that goes to GitLab with
// every job request, and is the only authority that Workhorse believes for this server.
func selfSigned(host string) (pair tls.Certificate, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make the key of the terminal server: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "lced-runner"},
		// A board without a clock battery starts in the past, and may run for years: neither end depends on its clock.
		NotBefore: time.Unix(0, 0).UTC(), NotAfter: time.Date(2049, time.December, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make the certificate of the terminal server for %q: %w", host, err)
	}
	public = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, public, nil
}
