package jobapi

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"https://gitlab.example.com":         "https://gitlab.example.com",
		"https://gitlab.example.com/":        "https://gitlab.example.com",
		" http://10.0.0.1:8080// ":           "http://10.0.0.1:8080",
		"https://gitlab.example.com/ci":      "https://gitlab.example.com",
		"https://gitlab.example.com/ci/":     "https://gitlab.example.com",
		"https://h/gitlab":                   "https://h/gitlab",
		"https://h/gitlab/ci/":               "https://h/gitlab",
		"https://h/medici":                   "https://h/medici",
		"https://h/gitlab/api/v4/":           "https://h/gitlab",
		"https://gitlab.example.com/?a=b#c":  "https://gitlab.example.com",
		"https://[2001:db8::1]:8443/gitlab/": "https://[2001:db8::1]:8443/gitlab",
	}
	for in, want := range good {
		if got, err := baseURL(in); err != nil || got.String() != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "gitlab.example.com", "ftp://h", "https://", "file:///x", "http://h:x", "unix:///s"} {
		_, err := New(Options{URL: in, Token: runnerToken})
		if !Unhealthy(err) {
			t.Errorf("%q: error %v", in, err)
		}
	}
}

func TestBadTLSFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.pem")
	writeFile(t, text, []byte("not a certificate"))
	for name, options := range map[string]Options{
		"missing CA":     {TLSCAFile: filepath.Join(dir, "none")},
		"CA without PEM": {TLSCAFile: text},
		"cert alone":     {TLSCertFile: text},
		"key alone":      {TLSKeyFile: text},
		"bad pair":       {TLSCertFile: text, TLSKeyFile: text},
	} {
		options.URL = "https://gitlab.example.com"
		if _, err := New(options); !Unhealthy(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The CA file is read again when it changes; while its new content is unusable, the old one stays in force.
func TestCAFileChanges(t *testing.T) {
	t.Parallel()
	server := tlsServer(t)
	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, file, right)
	client, err := New(Options{URL: server.URL, Token: runnerToken, TLSCAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Request(t.Context(), Ask{}); err != nil {
		t.Fatalf("with its CA: %v", err)
	}
	writeFile(t, file, []byte("half written"))
	if _, err := client.Request(t.Context(), Ask{}); err != nil {
		t.Fatalf("with an unusable new CA: %v", err)
	}

	stranger, err := New(Options{URL: server.URL, Token: runnerToken})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stranger.Request(t.Context(), Ask{})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("without its CA: %v", err)
	}
	if Unhealthy(err) {
		t.Error("a TLS failure on the network counts as unhealthy")
	}
}

func TestCAFileIsReadAgain(t *testing.T) {
	t.Parallel()
	server := tlsServer(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, file, otherCA(t))
	client, err := New(Options{URL: server.URL, Token: runnerToken, TLSCAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Request(t.Context(), Ask{}); err == nil {
		t.Fatal("a server of another CA was trusted")
	}
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if _, err := client.Request(t.Context(), Ask{}); err != nil {
		t.Fatal(err)
	}
}

// A connection is used again until it is older than ConnectionMaxAge.
func TestConnectionMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{ConnectionMaxAge: time.Minute}, reply{status: 204})
		poll := func(want int) {
			t.Helper()
			if _, err := client.Request(t.Context(), Ask{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			fake.mu.Lock()
			defer fake.mu.Unlock()
			if fake.conns != want {
				t.Errorf("%d connections, want %d", fake.conns, want)
			}
		}
		poll(1)
		time.Sleep(40 * time.Second)
		poll(1)
		time.Sleep(40 * time.Second)
		poll(2)
		time.Sleep(40 * time.Second)
		poll(2)
	})
}

// Checklist 25, this package's part: neither logs nor errors hold a token.
func TestNoTokenInLogsAndErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		client, _ := start(t, Options{Name: "board", Logger: logger}, reply{status: 503}, reply{status: 503}, reply{status: 418}, reply{})
		_, errVerify := client.Verify(t.Context())
		_, errRequest := client.Request(t.Context(), Ask{})
		_, errPatch := client.PatchTrace(t.Context(), 7, jobToken, 0, []byte("x"), false)
		_, errUpdate := client.UpdateJob(t.Context(), 7, jobToken, Update{})
		logger.Info("a job", "job", Job{Token: jobToken, Variables: []Variable{{Key: "K", Value: "secretsecret"}}})
		for _, err := range []error{errVerify, errRequest, errPatch, errUpdate} {
			if err == nil {
				t.Fatal("no error")
			}
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), `"status":503`) {
			t.Errorf("a retry was not logged: %s", out.String())
		}
		if strings.Contains(out.String(), "secretsecret") {
			t.Error(out.String())
		}
	})
}

// tlsServer answers every poll with 204.
func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// otherCA returns a certificate that signed nothing.
func otherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
