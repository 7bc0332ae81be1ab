package runner

import (
	"context"
	"slices"

	"lced-runner/internal/config"
)

// reload puts a new configuration in the place of the present one. With an error all stays as it is. Jobs that run keep
// the settings with which they began; a request that waits at GitLab is left to end, since it may bring a job, which then
// gets the new settings.
func (r *Runner) reload(ctx context.Context, c *config.Config) error {
	entries, err := r.entriesOf(ctx, c)
	if err != nil {
		return err
	}
	old := r.pollers
	r.pollers = nil
	// The order of pollers is that of the entries, whose two of one token must not change places.
	kept := make([]*poller, len(entries))
	for _, byName := range []bool{false, true} {
		for i, e := range entries {
			at := slices.IndexFunc(old, func(p *poller) bool { return p.same(e, byName) })
			if kept[i] == nil && at >= 0 {
				kept[i] = old[at]
				old = slices.Delete(slices.Clone(old), at, at+1)
			}
		}
	}
	for i, e := range entries {
		p := kept[i]
		if p == nil {
			p = newPoller(e)
			e.log.Info("runner is new in the configuration", "url", e.config.URL)
		} else {
			p.replace(e)
		}
		r.pollers = append(r.pollers, p)
	}
	for _, p := range old {
		p.entry().log.Info("runner is not in the configuration any more; its jobs run to their end")
		p.replace(nil)
	}
	if c.SessionServer != r.terminals {
		r.Logger.Warn("a changed [session_server] takes effect at the next start only")
	}
	r.slots.resize(c.Concurrent)
	for _, j := range r.janitors {
		j.SetLimits(limitsOf(c))
	}
	return nil
}
