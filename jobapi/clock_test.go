package jobapi

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestWrongClock asks a server with a real certificate at times when that is not valid.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	certificate := server.Certificate()
	for _, test := range []struct {
		now  time.Time
		want []string
	}{
		{time.Unix(-60, 0), []string{"clock says 1969-12-31T23:59:00Z", "not valid yet", "set the clock"}},
		{certificate.NotAfter.Add(time.Hour), []string{"has ended on", "renew the certificate"}},
	} {
		_, err := certificate.Verify(x509.VerifyOptions{CurrentTime: test.now, Roots: poolOf(certificate)})
		if err == nil {
			t.Fatal("the certificate is valid")
		}
		text := explainClock(err, test.now).Error()
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%q lacks %q", text, want)
			}
		}
	}
}

func poolOf(c *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return pool
}
