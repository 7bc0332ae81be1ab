package registration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// ErrUnverified says that at least one runner is not known to its GitLab, or could not be asked about.
var ErrUnverified = errors.New("failed to verify runners")

// Verify asks GitLab about each selected runner and tells the result by the log. With remove, those whose token GitLab
// refuses are taken out of the file and are no error; those that could not be asked about always stay, and are one.
func (m *Machine) Verify(ctx context.Context, s Selection, remove bool) error {
	s.All = s.All || s.Empty()
	runners, err := m.choose(s, true)
	if err != nil {
		return err
	}
	var dead []config.Runner
	failed := false
	for _, r := range runners {
		switch err := m.verify(ctx, &r); {
		case err == nil:
			m.log(&r).Info("Verifying runner... is valid")
		case errors.Is(err, jobapi.ErrTokenRefused):
			m.log(&r).Error("Verifying runner... is removed")
			dead = append(dead, r)
		default:
			m.log(&r).Error("Verifying runner... failed", "error", err)
			failed = true
		}
	}
	if remove && len(dead) > 0 {
		if err := m.remove(ctx, dead); err != nil {
			return err
		}
		m.Logger.Info("Updated "+m.File, "removed", len(dead))
		dead = nil
	}
	if failed || len(dead) > 0 {
		return ErrUnverified
	}
	return nil
}

func (m *Machine) verify(ctx context.Context, r *config.Runner) error {
	api, err := m.client(r)
	if err != nil {
		return err
	}
	_, err = api.Verify(ctx)
	return err
}

// remove takes runners out of the file; one that has gone already is none to complain about.
func (m *Machine) remove(ctx context.Context, runners []config.Runner) error {
	return config.Edit(ctx, m.File, m.Env, func(f *config.File) error {
		var at []int
		for _, r := range runners {
			found, _ := find(f, &r)
			for _, i := range found {
				if f.Config().Runners[i].Name == r.Name && !slices.Contains(at, i) {
					at = append(at, i)
				}
			}
		}
		if err := f.Remove(at...); err != nil {
			return fmt.Errorf("take the runners out of the configuration: %w", err)
		}
		return nil
	})
}
