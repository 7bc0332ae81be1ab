// Package registration makes runners known to GitLab and writes them into the configuration file, checks those that are in
// it, gives them other tokens, and takes them out of both.
//
// Each operation asks GitLab and then changes the file, with the file held against other writers from before the first to
// after the second where what GitLab answers exists only once. It asks no questions and reads no command lines.
package registration

import (
	"log/slog"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Machine is who asks: this machine, on behalf of the runners of one configuration file.
type Machine struct {
	File     string                  // the configuration
	Env      func(key string) string // for url and token of the file
	SystemID string
	Version  string
	Revision string
	Logger   *slog.Logger
	TLS      TLS
}

// TLS names files of certificates for a GitLab of which the configuration has no runner; empty: those beside the configuration.
type TLS struct{ CAFile, CertFile, KeyFile string }

// client speaks to a runner's GitLab with its token.
func (m *Machine) client(r *config.Runner) (*jobapi.Client, error) {
	return jobapi.New(jobapi.Options{
		URL: r.URL, Token: r.Token, SystemID: m.SystemID, Name: r.Name, Info: jobapi.DefaultInfo(m.Version, m.Revision),
		TLSCAFile: r.TLSCAFile, TLSCertFile: r.TLSCertFile, TLSKeyFile: r.TLSKeyFile, Logger: m.Logger,
	})
}

// log has what tells a runner from others.
func (m *Machine) log(r *config.Runner) *slog.Logger {
	return m.Logger.With("runner", jobapi.ShortToken(r.Token.Reveal()), "name", r.Name, "url", r.URL)
}
