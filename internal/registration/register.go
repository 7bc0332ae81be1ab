package registration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Request is a runner to be registered.
type Request struct {
	Draft *config.Draft // with url and executor at least; the token is in it unless Old is set
	Old   jobapi.Secret // registration token, by which GitLab makes the runner
	Made  jobapi.Registration
	Keep  bool // what GitLab has made stays there when something fails afterwards
}

// undoTime is how long GitLab may take to forget a runner that could not be saved.
const undoTime = 30 * time.Second

// Register introduces the runner to GitLab, which makes it first where there is a registration token, and puts it at the
// end of the configuration file, which is made if there is none. If anything fails once GitLab knows the runner, it is
// unregistered again unless Keep is set.
func (m *Machine) Register(ctx context.Context, q Request) error {
	var made *config.Runner // what GitLab would have to forget
	err := config.Edit(ctx, m.File, m.Env, func(f *config.File) error {
		r, _, err := q.Draft.Runner(m.Env)
		if err != nil {
			return err
		}
		if q.Old != "" {
			r.Token = q.Old
		}
		m.certificates(r)
		api, err := m.client(r)
		if err != nil {
			return err
		}
		v, err := introduce(ctx, api, q)
		if err != nil {
			return err
		}
		if v.Token != "" { // servers before 15 tell neither token nor id
			r.Token = v.Token
		}
		if q.Old != "" || r.Token.MadeInGitLab() { // with an old token the runner was there before, for others too
			made = r
		}
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		m.log(r).Info("Registering runner... succeeded")
		raw := r.RawToken
		if q.Old != "" || raw == "" {
			raw = r.Token
		}
		q.Draft.SetIdentity(v.ID, raw.Reveal(), time.Now(), v.TokenExpiresAt)
		return f.Add(q.Draft)
	})
	if err != nil && made != nil && !q.Keep {
		return errors.Join(err, m.undo(ctx, made))
	}
	return err
}

// certificates are those beside the configuration, as a file with the runner would be read.
func (m *Machine) certificates(r *config.Runner) {
	ca, cert, key := config.Certificates(filepath.Dir(m.File), r.URL, m.Env)
	r.TLSCAFile = cmp.Or(r.TLSCAFile, ca)
	if r.TLSCertFile == "" {
		r.TLSCertFile, r.TLSKeyFile = cert, key
	}
}

func introduce(ctx context.Context, api *jobapi.Client, q Request) (jobapi.Verified, error) {
	if q.Old != "" {
		return api.Register(ctx, q.Made)
	}
	v, err := api.Verify(ctx)
	if err == nil && v.ID == 0 {
		return v, errors.New("GitLab did not tell the runner's id: the url may be that of another server, or its GitLab is older than 15")
	}
	return v, err
}

// undo lets GitLab forget a runner, also when ctx has ended.
func (m *Machine) undo(ctx context.Context, r *config.Runner) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), undoTime, errors.New("GitLab took too long"))
	defer cancel()
	if err := m.unregister(ctx, r); err != nil {
		return fmt.Errorf("GitLab still has the runner, which could not be saved: delete it there: %w", err)
	}
	return nil
}
