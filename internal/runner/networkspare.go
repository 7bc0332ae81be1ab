package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/plan"
)

// mostNetworks is how many networks an engine may have without a job: each takes one of its some 30 subnets, and a bridge of the
// host.
const mostNetworks = 2

// leaseNetwork gives the job a network that was kept of an earlier one, or the name of one that a later job may have. The plan, which
// is written down before anything joins the network, says from then on whose it is.
func leaseNetwork(ctx context.Context, l *life) {
	if l.entry.networkRoom().Limit == 0 {
		return
	}
	l.input.Network = "lced-" + l.input.Random
	if kept, found := networksOf(l.Runner, l.entry, plan.NetworkForm(l.input)).lease(ctx); found {
		l.network, l.input.Network = kept, kept.Network()
	}
}

// returnNetwork gives back the one that the job has leased and does not need.
func returnNetwork(ctx context.Context, l *life) {
	kept := l.network
	if l.network = nil; kept == nil {
		return
	}
	if !keepNetwork(ctx, l, kept.Form, func(context.Context) (*executor.Spare, error) { return kept, nil }) {
		if err := kept.Remove(ctx); err != nil {
			l.log.Warn("could not remove a network that was kept for the next job", "error", err)
		}
	}
}

// keepNetwork keeps the network of a job that is over for one to come, of whatever project.
func keepNetwork(ctx context.Context, l *life, form string, take func(context.Context) (*executor.Spare, error)) bool {
	kept, err := networksOf(l.Runner, l.entry, form).keep(ctx, l.entry.networkRoom(), take)
	if kept {
		l.log.Debug("the network of the job is kept for the next one")
	} else {
		l.log.Debug("the network of the job ends with it", "why", cmp.Or(err, errEnoughNetworks))
	}
	return kept
}

// errEnoughNetworks is why one is not kept in which nothing is.
var errEnoughNetworks = errors.New("enough are kept")

// networkRoom is how many networks may be kept, and for how long: as helpers are.
func (e *entry) networkRoom() dind.Room {
	room := dind.Room{Limit: mostNetworks, Free: func(context.Context) (bool, error) { return true, nil }, For: e.global.LCED.HelperIdle}
	if room.For <= 0 || !plan.SharesNetworks(e.config) {
		room.Limit = 0
	}
	return room
}

func networksOf(r *Runner, e *entry, form string) readyNetworks[*executor.Spare] {
	return readyNetworks[*executor.Spare]{r.networks, e.host, form}
}

// readyNetworks are those of an engine and form that have no job. Any job may have any of them, so they are kept at numbered places.
type readyNetworks[S dind.Spare] struct {
	pool       *dind.Pool[S]
	host, form string
}

func (r readyNetworks[S]) at(n int) dind.Wanted {
	return dind.Wanted{Runner: r.host, Place: fmt.Sprintf("%s %s %d", r.host, r.form, n), Form: r.form}
}

// lease takes one.
func (r readyNetworks[S]) lease(ctx context.Context) (spare S, found bool) {
	for n := 0; n < mostNetworks && !found; n++ {
		spare, found = r.pool.Lease(ctx, r.at(n).Place)
		r.pool.Release(r.at(n).Place) // it is the network that the job has, not the place
	}
	return spare, found
}

// keep keeps one more where there is room; take makes it one that can be kept.
func (r readyNetworks[S]) keep(ctx context.Context, room dind.Room, take func(context.Context) (S, error)) (kept bool, err error) {
	for n := 0; n < room.Limit && !kept && err == nil; n++ {
		err = r.pool.Keep(ctx, r.at(n), room, func(ctx context.Context) (S, error) {
			spare, err := take(ctx)
			kept = err == nil
			return spare, err
		})
	}
	return kept, err
}

// adopt takes over one that an earlier process kept.
func (r readyNetworks[S]) adopt(room dind.Room, spare S) (adopted bool) {
	for n := 0; n < room.Limit && !adopted; n++ {
		adopted = r.pool.Adopt(r.at(n), time.Now(), room, spare)
	}
	return adopted
}
