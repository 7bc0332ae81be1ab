package doctor

import (
	"context"
	"errors"
	"time"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// gitlab asks GitLab about the runner, as the runner does at its start.
func (d *doctor) gitlab(ctx context.Context, r *config.Runner) {
	if r.Disabled != "" {
		return
	}
	const check = "gitlab"
	api, err := jobapi.New(jobapi.Options{
		URL: r.URL, Token: r.Token, SystemID: d.SystemID, Name: r.Name, Info: jobapi.DefaultInfo(d.Version, d.Revision),
		TLSCAFile: r.TLSCAFile, TLSCertFile: r.TLSCertFile, TLSKeyFile: r.TLSKeyFile, Logger: d.Logger,
	})
	if err != nil {
		d.fail(check, "set url and the tls files of this runner", "%v", err)
		return
	}
	asked := time.Now()
	v, err := api.Verify(ctx)
	took := time.Since(asked)
	switch {
	case errors.Is(err, jobapi.ErrTokenRefused):
		d.fail(check, "make a runner in GitLab (CI/CD settings, New runner), then run `lced-runner register`; `lced-runner verify --delete` removes this one", "%s refuses the token", r.URL)
		return
	case err != nil:
		d.fail(check, "check url, and that this machine reaches it: curl -v "+r.URL+" (a proxy is taken from HTTPS_PROXY; further authorities from tls-ca-file)", "%s cannot be asked: %v", r.URL, err)
		return
	}
	d.ok(check, "%s knows this runner (id %d), and answered within %d ms", r.URL, v.ID, took.Milliseconds())
	d.expiry(r, v.TokenExpiresAt)
	d.clock(asked.Add(took/2), v.Now)
}

// expiry compares what GitLab and the file say about the token's end.
func (d *reporter) expiry(r *config.Runner, ends time.Time) {
	switch {
	case ends.IsZero():
	case r.TokenExpiresAt.IsZero():
		d.warn("token", "write token_expires_at = "+ends.UTC().Format(time.RFC3339)+" into its [[runners]], so that it is renewed in time, or run `lced-runner reset-token`", "it ends at %s, which the configuration does not say", ends.UTC().Format(time.RFC3339))
	default:
		d.ok("token", "it ends at %s", ends.UTC().Format(time.RFC3339))
	}
}

// The clock may be off by this much: certificates and signatures of caches are refused beyond the second.
const (
	clockWorth = 30 * time.Second
	clockBound = 10 * time.Minute
)

func (d *reporter) clock(here, there time.Time) {
	const remedy = "let the clock be set: timedatectl set-ntp true"
	if there.IsZero() {
		return
	}
	off := here.Sub(there)
	switch text := "this machine's clock is " + off.Abs().Round(time.Second).String() + " %s of GitLab's"; {
	case off.Abs() <= clockWorth:
		d.ok("clock", "agrees with GitLab's")
	case off.Abs() > clockBound:
		d.fail("clock", remedy, text, word(off))
	default:
		d.warn("clock", remedy, text, word(off))
	}
}

func word(off time.Duration) string {
	if off > 0 {
		return "ahead"
	}
	return "behind"
}
