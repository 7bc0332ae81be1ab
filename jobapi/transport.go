package jobapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// tlsFiles are the paths of PEM files; empty ones are not used.
type tlsFiles struct{ ca, cert, key string }

// stamps identifies the present content of the files by modification time and size.
func (f tlsFiles) stamps() (stamps [3]string) {
	for i, path := range []string{f.ca, f.cert, f.key} {
		if stat, err := os.Stat(path); err == nil {
			stamps[i] = fmt.Sprint(stat.ModTime().UnixNano(), stat.Size())
		}
	}
	return stamps
}

// config reads the files. TLS 1.2 is the oldest that GitLab's own runner accepts.
func (f tlsFiles) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, &ConfigError{fmt.Errorf("read tls-ca-file: %w", err)}
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // a machine without any: the configured CA alone must do
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &ConfigError{fmt.Errorf("tls-ca-file %s holds no certificate in PEM form", f.ca)}
		}
		config.RootCAs = pool
	}
	if f.cert == "" && f.key == "" {
		return config, nil
	}
	if f.cert == "" || f.key == "" {
		return nil, &ConfigError{fmt.Errorf("a client certificate needs both tls-cert-file and tls-key-file")}
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("load tls-cert-file %s with tls-key-file %s: %w", f.cert, f.key, err)}
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// transport is an http.Transport that is replaced when it is older than maxAge, so that changes of DNS and load
// balancers are noticed, and when the TLS files change. Requests under way finish on the old one.
type transport struct {
	files         tlsFiles
	maxAge        time.Duration
	headerTimeout time.Duration
	dial          dialFunc
	logger        *slog.Logger

	mu      sync.Mutex
	current *http.Transport
	made    time.Time
	stamps  [3]string
}

// dialFunc is net.Dialer's DialContext.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.take().RoundTrip(req)
}

func (t *transport) take() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if stamps := t.files.stamps(); stamps != t.stamps || time.Since(t.made) >= t.maxAge {
		if err := t.renew(stamps); err != nil {
			// Perhaps half written. The old certificates may still be good, and a running job depends on them.
			t.logger.Warn("keep the TLS files read before: the new ones cannot be used", "error", err)
		}
	}
	return t.current
}

// renew builds a transport for the files as they are now. The caller holds the lock or is alone.
func (t *transport) renew(stamps [3]string) error {
	t.made, t.stamps = time.Now(), stamps // also after a failure: one warning per change, not per request
	config, err := t.files.config()
	if err != nil {
		return err
	}
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
	// The numbers are gitlab-runner's. The header timeout must exceed a long poll, which the server holds for a minute.
	// HTTP/1.1 only, as there: one dead HTTP/2 connection would hold up the poll and every job's trace at once.
	t.current = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           t.dial,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: t.headerTimeout,
		ExpectContinueTimeout: time.Second, // of servers that do not know the header
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   100, // there is one host only
	}
	return nil
}
