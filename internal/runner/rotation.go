package runner

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"lced-runner/internal/config"
	"lced-runner/internal/registration"
)

// noRotation is the feature flag by which the token of a runner is left to the operator. It belongs into the configuration
// of machines that share a token: the first that renews it would lock the others out.
const noRotation = "FF_DISABLE_AUTOMATIC_TOKEN_ROTATION"

// rotation is how the token of one runner is kept from ending.
type rotation struct {
	*Runner
	poller   *poller
	failures int                          // in a row
	lost     *registration.LostTokenError // a new token that is not in the file yet
	file     *config.Runner               // the runner as the file has it then
	warned   bool
	renewed  time.Time // when this process last got a new one
}

// renewedPause is how long a token is left alone that was renewed and is due again at once: GitLab says when it ends, and the clock
// of a board that is years ahead makes each one look as if it had ended. Each renewal writes the file and ends the token before.
const renewedPause = time.Hour

// keepToken replaces the runner's token before it ends, until ctx ends or the configuration has the runner no more.
func (r *Runner) keepToken(ctx context.Context, p *poller) {
	p.introduced.Do(func() { p.entry().introduce(ctx) }) // which is not to meet with an old token
	k := &rotation{Runner: r, poller: p}
	for ctx.Err() == nil {
		e := p.present()
		if e == nil {
			return
		}
		if k.lost != nil || k.due(e) {
			k.renew(ctx, e)
		}
		// Looked at again and again: the clock of a board without a battery jumps when it is set.
		wait := time.Minute
		if until := time.Until(rotationTime(e.config)); until > 0 {
			wait = min(wait, until)
		}
		if k.failures > 0 {
			wait = rotationBackOff(k.failures)
		}
		e.sleep(ctx, wait)
	}
}

// rotationTime is when three quarters of a token's life are over, as in gitlab-runner.
func rotationTime(c *config.Runner) time.Time {
	return c.TokenObtainedAt.Add(c.TokenExpiresAt.Sub(c.TokenObtainedAt) / 4 * 3)
}

// rotationBackOff is how long to wait after failures in a row: a minute, then twice as long each time, up to an hour. A part of it
// is chance, so that boards that failed together do not come back together.
func rotationBackOff(failures int) time.Duration {
	wait := min(time.Minute<<min(failures-1, 10), time.Hour)
	return wait/2 + rand.N(wait/2+1)
}

// due says whether the token is to be replaced now.
func (k *rotation) due(e *entry) bool {
	c := e.config
	if k.ConfigFile == "" || c.TokenExpiresAt.IsZero() || time.Now().Before(rotationTime(c)) {
		return false
	}
	if !k.renewed.IsZero() && time.Since(k.renewed) < renewedPause {
		if !k.warned {
			k.warned = true
			e.log.Warn("the runner's token was just renewed and seems to have ended: is the clock of this machine right?", "expires", c.TokenExpiresAt, "now", time.Now())
		}
		return false
	}
	why := c.TokenInFile()
	if c.FeatureFlags[noRotation] {
		why = errors.New(noRotation + " is set")
	}
	if why != nil && !k.warned {
		k.warned = true
		e.log.Warn("the runner's token ends and is not renewed", "expires", c.TokenExpiresAt, "reason", why)
	}
	return why == nil
}

// renew asks for a new token and goes on with it at once; the file has it too then, or gets it later.
func (k *rotation) renew(ctx context.Context, e *entry) {
	m := &registration.Machine{File: k.ConfigFile, Env: k.Env, SystemID: k.SystemID, Version: k.Version, Revision: k.Revision, Logger: k.Logger}
	k.poller.renewing.Store(true)
	defer k.poller.renewing.Store(false)
	var err error
	if k.lost == nil {
		k.file = e.config
		fresh, reset := m.ResetToken(ctx, e.config, "")
		err = reset
		if fresh.Token != "" {
			k.renewed = time.Now()
			c := *e.config
			c.Token, c.RawToken, c.TokenObtainedAt, c.TokenExpiresAt = fresh.Token, fresh.Token, time.Now(), fresh.TokenExpiresAt
			err = errors.Join(err, k.goOn(e, &c))
		}
		k.lost, _ = errors.AsType[*registration.LostTokenError](reset)
	} else if err = m.SaveToken(ctx, k.file, k.lost); err == nil {
		k.lost = nil
		e.log.Info("the runner's new token is saved")
	}
	k.Status.Saved(err)
	switch {
	case err == nil:
		k.failures = 0
	case ctx.Err() == nil:
		k.failures++
		e.log.Error("the runner's token could not be renewed; trying again", "expires", k.file.TokenExpiresAt, "error", err)
	}
}

// goOn lets the poller ask with the new token.
func (k *rotation) goOn(old *entry, c *config.Runner) error {
	e := *old
	e.config, e.replaced = c, make(chan struct{})
	var err error
	if e.api, err = k.client(e.global, c, e.status); err != nil {
		return err
	}
	k.poller.succeed(old, &e)
	return nil
}
