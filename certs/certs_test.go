package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"testing"
	"time"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	own := mustNew(t, []string{"docker", "localhost", "docker-cache"}, []net.IP{net.IPv4(127, 0, 0, 1)})
	other := mustNew(t, []string{"docker"}, nil)
	swapped := *own
	swapped.ClientCert, swapped.ClientKey = own.ServerCert, own.ServerKey

	for _, test := range []struct {
		name       string
		client     *Bundle
		noCert     bool
		serverName string
		want       string // part of either side's error; empty means that both sides are content
	}{
		{name: "own pair", client: own, serverName: "docker"},
		{name: "by an alias", client: own, serverName: "docker-cache"},
		{name: "by address", client: own, serverName: "127.0.0.1"},
		{name: "by a name that is not in it", client: own, serverName: "gitlab.lan", want: "not gitlab.lan"},
		{name: "another sidecar's authority and pair", client: other, serverName: "docker", want: "unknown authority"},
		{name: "another sidecar's pair", client: &Bundle{CA: own.CA, ClientCert: other.ClientCert, ClientKey: other.ClientKey}, serverName: "docker", want: "unknown authority"},
		{name: "no client certificate", client: own, noCert: true, serverName: "docker", want: "client didn't provide a certificate"},
		{name: "server pair used as client pair", client: &swapped, serverName: "docker", want: "incompatible key usage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := &tls.Config{RootCAs: pool(t, test.client.CA), ServerName: test.serverName}
			if !test.noCert {
				client.Certificates = []tls.Certificate{keyPair(t, test.client.ClientCert, test.client.ClientKey)}
			}
			server := &tls.Config{
				Certificates: []tls.Certificate{keyPair(t, own.ServerCert, own.ServerKey)},
				ClientCAs:    pool(t, own.CA),
				ClientAuth:   tls.RequireAndVerifyClientCert,
			}
			serverErr, clientErr := handshake(server, client)
			switch {
			case test.want == "" && (serverErr != nil || clientErr != nil):
				t.Errorf("server says %v, client says %v; want no error", serverErr, clientErr)
			case test.want != "" && !saysSo(serverErr, test.want) && !saysSo(clientErr, test.want):
				t.Errorf("server says %v, client says %v; want %q", serverErr, clientErr, test.want)
			}
		})
	}
}

// A board may start in 1970 or with the date of its image: the pair must be valid then, and years later when the clock was set.
func TestValidWhateverTheClock(t *testing.T) {
	t.Parallel()
	b := mustNew(t, []string{"docker"}, nil)
	for _, now := range []time.Time{time.Unix(1, 0), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for usage, cert := range map[x509.ExtKeyUsage][]byte{x509.ExtKeyUsageServerAuth: b.ServerCert, x509.ExtKeyUsageClientAuth: b.ClientCert} {
			_, err := parse(t, cert).Verify(x509.VerifyOptions{Roots: pool(t, b.CA), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
			if err != nil {
				t.Errorf("at %s, usage %d: %v", now, usage, err)
			}
		}
	}
}

// The entrypoint of docker:dind runs `openssl verify`, which wants a CA certificate that may sign and, from version 3.2 on with -x509_strict, key identifiers.
func TestWhatOpensslAsksFor(t *testing.T) {
	t.Parallel()
	b := mustNew(t, []string{"docker"}, nil)
	ca, server, client := parse(t, b.CA), parse(t, b.ServerCert), parse(t, b.ClientCert)
	if !ca.IsCA || !ca.BasicConstraintsValid || ca.KeyUsage&x509.KeyUsageCertSign == 0 || len(ca.SubjectKeyId) == 0 {
		t.Errorf("the CA may not sign: %+v", ca)
	}
	for _, leaf := range []*x509.Certificate{server, client} {
		if leaf.IsCA || string(leaf.AuthorityKeyId) != string(ca.SubjectKeyId) || len(leaf.ExtKeyUsage) != 1 || leaf.SerialNumber.Cmp(ca.SerialNumber) == 0 {
			t.Errorf("%s: CA %v, authority %x (want %x), usages %v, serial %v", leaf.Subject, leaf.IsCA, leaf.AuthorityKeyId, ca.SubjectKeyId, leaf.ExtKeyUsage, leaf.SerialNumber)
		}
	}
}

func TestNoKeyOfTheAuthority(t *testing.T) {
	t.Parallel()
	b := mustNew(t, []string{"docker"}, nil)
	if strings.Contains(string(b.CA), "PRIVATE") {
		t.Error("the CA field holds a private key")
	}
	ca := parse(t, b.CA)
	for _, key := range [][]byte{b.ServerKey, b.ClientKey} {
		block, _ := pem.Decode(key)
		own, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if own.PublicKey.Equal(ca.PublicKey) {
			t.Error("a pair uses the authority's own key")
		}
	}
}

func TestBadName(t *testing.T) {
	t.Parallel()
	if _, err := New([]string{"dökker"}, nil); err == nil || !strings.Contains(err.Error(), "dökker") {
		t.Errorf("New with a name that certificates cannot hold = %v, want an error that names it", err)
	}
}

// handshake runs both sides over a pipe. The server speaks first afterwards, since a TLS 1.3 client learns only then that it was refused.
func handshake(server, client *tls.Config) (serverErr, clientErr error) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		conn := tls.Server(a, server)
		if err := conn.Handshake(); err != nil {
			done <- err
			return
		}
		_, err := conn.Write([]byte("x"))
		done <- err
	}()
	conn := tls.Client(b, client)
	_, clientErr = conn.Read(make([]byte, 1))
	b.Close()
	return <-done, clientErr
}

func saysSo(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

func mustNew(t *testing.T, names []string, ips []net.IP) *Bundle {
	t.Helper()
	b, err := New(names, ips)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(certPEM)
	if block == nil || len(rest) > 0 {
		t.Fatalf("want one PEM block, have %q", certPEM)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func pool(t *testing.T, certPEM []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	p.AddCert(parse(t, certPEM))
	return p
}

func keyPair(t *testing.T, cert, key []byte) tls.Certificate {
	t.Helper()
	p, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
