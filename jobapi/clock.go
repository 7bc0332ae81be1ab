package jobapi

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// explainClock says of a certificate that is not valid at this time what to do: a board without a clock battery starts in
// the past, where no certificate is valid yet. Any other error stays as it is.
func explainClock(err error, now time.Time) error {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return err
	}
	clock := now.UTC().Format(time.RFC3339)
	if begin := invalid.Cert.NotBefore; now.Before(begin) {
		return fmt.Errorf("this machine's clock says %s, when the certificate of %s is not valid yet (it is from %s on): set the clock, for example by NTP (%w)",
			clock, invalid.Cert.Subject.CommonName, begin.UTC().Format(time.RFC3339), err)
	}
	return fmt.Errorf("the certificate of %s has ended on %s, and this machine's clock says %s: renew the certificate or, if that is not the time, set the clock (%w)",
		invalid.Cert.Subject.CommonName, invalid.Cert.NotAfter.UTC().Format(time.RFC3339), clock, err)
}
