package registration

import (
	"context"
	"errors"
	"fmt"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// ErrNotUnregistered says that at least one runner is still registered.
var ErrNotUnregistered = errors.New("failed to unregister runners")

// Unregister deletes the selected runners in GitLab, then from the file. Of a runner that was made in GitLab only what
// GitLab knows of this machine is deleted. One that GitLab refuses stays in the file, and does not stop the others. URL and
// token of a runner that the file does not have are taken as they are, with the certificates of TLS.
func (m *Machine) Unregister(ctx context.Context, s Selection) error {
	runners, err := m.choose(s, false)
	if err != nil && s.URL != "" && s.Token != "" && s.Name == "" {
		r := config.DefaultRunner()
		r.URL, r.Token = s.URL, s.Token
		r.TLSCAFile, r.TLSCertFile, r.TLSKeyFile = m.TLS.CAFile, m.TLS.CertFile, m.TLS.KeyFile
		m.certificates(&r)
		return m.unregister(ctx, &r)
	}
	if err != nil {
		return err
	}
	failed := false
	for _, r := range runners {
		if err := m.unregister(ctx, &r); err != nil {
			m.log(&r).Error("Failed to unregister runner", "error", err)
			failed = true
			continue
		}
		if err := m.remove(ctx, []config.Runner{r}); err != nil {
			return err
		}
	}
	if failed {
		return ErrNotUnregistered
	}
	m.Logger.Info("Updated " + m.File)
	return nil
}

// unregister deletes one runner in GitLab.
func (m *Machine) unregister(ctx context.Context, r *config.Runner) error {
	api, err := m.client(r)
	if err != nil {
		return err
	}
	what, del := "runner", api.Unregister
	if r.Token.MadeInGitLab() {
		what, del = "runner manager", api.UnregisterManager
	}
	err = del(ctx)
	if errors.Is(err, jobapi.ErrTokenRefused) {
		return fmt.Errorf("%w (if it is gone already, `verify --delete` takes it out of the configuration)", err)
	}
	if err != nil {
		return err
	}
	m.log(r).Info("Unregistering " + what + " from GitLab succeeded")
	return nil
}
