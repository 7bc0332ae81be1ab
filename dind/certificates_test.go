package dind

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
)

// TestCertificateFiles shakes hands with what the two volumes hold, for each name, as dockerd and docker do.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	names := []string{"docker", "lan__docker", "localhost", "127.0.0.1"}
	server, client, err := CertificateFiles(names)
	if err != nil {
		t.Fatal(err)
	}
	s, c := byPath(t, server), byPath(t, client)
	for _, name := range []string{"ca/cert.pem", "server/ca.pem", "server/cert.pem", "server/key.pem"} {
		if len(s[name]) == 0 {
			t.Errorf("the server's volume lacks %s, so its entrypoint would generate certificates", name)
		}
	}
	if len(s) != 4 || len(c) != 3 {
		t.Errorf("%d and %d files, want 4 and 3: no authority's key", len(s), len(c))
	}

	serverPair, err := tls.X509KeyPair(s["server/cert.pem"], s["server/key.pem"])
	if err != nil {
		t.Fatal(err)
	}
	clientPair, err := tls.X509KeyPair(c["cert.pem"], c["key.pem"])
	if err != nil {
		t.Fatal(err)
	}
	serverCA, clientCA := pool(t, s["server/ca.pem"]), pool(t, c["ca.pem"])
	for _, name := range append(names, "stranger") {
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() {
			defer far.Close()
			served <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{serverPair}, ClientCAs: serverCA, ClientAuth: tls.RequireAndVerifyClientCert}).Handshake()
		}()
		conn := tls.Client(near, &tls.Config{ServerName: name, RootCAs: clientCA, Certificates: []tls.Certificate{clientPair}})
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Read(make([]byte, 1)) // the server's verdict on the client comes after the client's handshake
		}
		near.Close()
		serveErr := <-served
		if good := err == io.EOF && serveErr == nil; good != (name != "stranger") {
			t.Errorf("%s: client %v, server %v", name, err, serveErr)
		}
	}
}

func byPath(t *testing.T, files []File) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	for _, f := range files {
		if f.Mode != 0o644 {
			t.Errorf("%s has mode %o: neither jobs nor the rootless daemon run as root", f.Path, f.Mode)
		}
		m[f.Path] = f.Data
	}
	return m
}

func pool(t *testing.T, text []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(text) {
		t.Fatal("no certificate")
	}
	return p
}
