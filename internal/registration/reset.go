package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// ErrNotReset says that at least one runner still has its old token.
var ErrNotReset = errors.New("failed to reset the tokens of runners")

// LostTokenError is a new token that could not be written into the file. The old one is not valid any more.
type LostTokenError struct {
	jobapi.Verified
	Err error
}

func (e *LostTokenError) Error() string {
	return fmt.Sprintf("GitLab has given the runner a new token, which could not be saved: put it into the configuration by hand: %v", e.Err)
}

func (e *LostTokenError) Unwrap() error { return e.Err }

// ResetTokens gives each selected runner a new authentication token and saves it. personal, if it is not empty, is the access token of a
// user with whose rights that is done; the runner's own may then be lost. A runner that fails does not stop the others, but a
// token that cannot be saved does: the error is a *LostTokenError then.
func (m *Machine) ResetTokens(ctx context.Context, s Selection, personal jobapi.Secret) error {
	runners, err := m.choose(s, false)
	if err != nil {
		return err
	}
	failed := false
	for _, r := range runners {
		_, err := m.ResetToken(ctx, &r, personal)
		if lost, ok := errors.AsType[*LostTokenError](err); ok {
			return lost
		}
		if err != nil {
			m.log(&r).Error("Failed to reset the runner's token", "error", err)
			failed = true
		}
	}
	if failed {
		return ErrNotReset
	}
	return nil
}

// ResetToken is ResetTokens for one runner as the file had it when it was read. The file is held from before GitLab is asked
// until the new token is in it.
func (m *Machine) ResetToken(ctx context.Context, r *config.Runner, personal jobapi.Secret) (jobapi.Verified, error) {
	var fresh jobapi.Verified
	if err := r.TokenInFile(); err != nil {
		return fresh, err
	}
	err := config.Edit(ctx, m.File, m.Env, func(f *config.File) error {
		found, err := find(f, r)
		if err != nil {
			return err
		}
		if fresh, err = m.reset(ctx, r, personal); err != nil {
			return err
		}
		return setToken(f, found, fresh)
	})
	if err != nil && fresh.Token != "" {
		return fresh, &LostTokenError{Verified: fresh, Err: err}
	}
	if err != nil {
		return fresh, err
	}
	m.log(r).Info("Resetting the runner's token succeeded", "new", jobapi.ShortToken(fresh.Token.Reveal()), "expires", expiry(fresh.TokenExpiresAt))
	return fresh, nil
}

// SaveToken writes a token into the file that was lost before.
func (m *Machine) SaveToken(ctx context.Context, r *config.Runner, lost *LostTokenError) error {
	return config.Edit(ctx, m.File, m.Env, func(f *config.File) error {
		found, err := find(f, r)
		if err != nil {
			return err
		}
		return setToken(f, found, lost.Verified)
	})
}

// setToken gives all entries of one token the new one: the old one has ended for each.
func setToken(f *config.File, runners []int, fresh jobapi.Verified) error {
	for _, i := range runners {
		if err := f.SetToken(i, fresh.Token, time.Now(), fresh.TokenExpiresAt); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) reset(ctx context.Context, r *config.Runner, personal jobapi.Secret) (jobapi.Verified, error) {
	api, err := m.client(r)
	if err != nil {
		return jobapi.Verified{}, err
	}
	if personal == "" {
		return api.ResetToken(ctx)
	}
	if r.ID == 0 {
		return jobapi.Verified{}, errors.New("the runner has no id in the configuration, which a reset with a personal access token needs: GitLab's page of the runner shows it (#123); write id = 123 into its [[runners]]")
	}
	return api.ResetTokenAs(ctx, r.ID, personal)
}

func expiry(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
