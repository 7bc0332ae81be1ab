// Package certs makes the certificates of one docker-in-docker sidecar: a throwaway certificate authority, and a server and
// a client pair that it signed. Names and addresses go in, PEM text comes out. Nothing is written, nothing is kept: the
// authority's key is gone when New returns, so nobody can add a third certificate later. It knows neither Docker nor jobs.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"time"
)

// Bundle is what the two sides of a sidecar need, as PEM. Docker's names for the files are ca.pem, cert.pem and key.pem.
type Bundle struct {
	CA         []byte
	ServerCert []byte
	ServerKey  []byte
	ClientCert []byte
	ClientKey  []byte
}

// New makes a bundle whose server certificate is valid for names and ips. The keys are P-256: made in well under a
// millisecond, where the RSA keys of the docker:dind image take seconds to minutes on a small board. Errors come from the
// system's random source only, or from a name that is no host name.
func New(names []string, ips []net.IP) (*Bundle, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the sidecar's certificate authority: %w", err)
	}
	ca := template("docker:dind CA")
	ca.IsCA = true
	ca.BasicConstraintsValid = true
	ca.MaxPathLenZero = true
	ca.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, fmt.Errorf("making the sidecar's certificate authority: %w", err)
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil { // with the key id that the pairs refer to
		return nil, fmt.Errorf("reading the sidecar's certificate authority: %w", err)
	}

	server := template("docker:dind server")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = names, ips
	client := template("docker:dind client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

	b := &Bundle{CA: encode("CERTIFICATE", caDER)}
	if b.ServerCert, b.ServerKey, err = pair(server, ca, caKey); err != nil {
		return nil, fmt.Errorf("making the sidecar's server certificate for %v: %w", names, err)
	}
	if b.ClientCert, b.ClientKey, err = pair(client, ca, caKey); err != nil {
		return nil, fmt.Errorf("making the sidecar's client certificate: %w", err)
	}
	return b, nil
}

// template has what all three certificates share. The common names are those of the docker:dind image, which operators
// know from its log.
func template(commonName string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName},
		// The serial number is left to CreateCertificate, which makes a random one.
		//
		// A board without a clock battery starts in the past (1970, or the date of its image) until NTP answers. A
		// certificate dated by such a clock would not be valid yet, or already over, for a reader with another one. So
		// neither end depends on the clock: they are the first moment of Unix time and the last one that the older date
		// form of certificates, UTCTime, can hold. The pair really lives as long as one job, because its keys go with
		// the job's volumes.
		NotBefore: time.Unix(0, 0).UTC(),
		NotAfter:  time.Date(2049, time.December, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

// pair makes a key and the certificate for it that ca signs, both as PEM.
func pair(template, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (cert, key []byte, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, own.Public(), caKey)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(own) // "EC PRIVATE KEY", which old clients read as well
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", keyDER), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
