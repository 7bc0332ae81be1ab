package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/janitor"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// compileWarm compiles the job. If a sidecar was kept for it that fits, the plan has the names with which that was made. One
// that does not fit is returned too: it has to go before the job's own starts.
func (l *life) compileWarm(ctx context.Context) (*plan.Compiled, *executor.Spare, error) {
	compiled, err := l.compile(ctx)
	if err != nil {
		return nil, nil, err
	}
	stored := false
	for _, s := range compiled.Plan.Services {
		stored = stored || s.Store != nil
	}
	if compiled.Spare == nil && !stored {
		return compiled, nil, nil // what is kept does not concern the job
	}
	l.place = plan.Place(l.input)
	spare, found := l.warm.Lease(ctx, l.place)
	if !found {
		return compiled, nil, nil
	}
	if compiled.Spare != nil && compiled.Spare.Services[0].Form == spare.Form {
		returnNetwork(ctx, l)
		l.input.Random, l.input.Network = spare.Name[strings.LastIndex(spare.Name, "-")+1:], spare.Network()
		if compiled, err = plan.Compile(l.input); err != nil {
			return nil, nil, errors.Join(err, spare.Remove(ctx))
		}
	}
	return compiled, spare, nil
}

// keepWarm starts a sidecar for the next job that is like this one, of which nothing is left by now. Nobody waits for it.
func keepWarm(ctx context.Context, l *life) {
	if l.place != "" {
		l.warm.Release(l.place)
	}
	if !l.keep || ctx.Err() != nil {
		return
	}
	in := l.input
	in.Random, in.Cache = random(), nil
	in.Network = "lced-" + in.Random // the job that it is for has no number yet
	compiled, err := plan.Compile(in)
	if err != nil || compiled.Spare == nil {
		return
	}
	want := dind.Wanted{Runner: jobapi.ShortToken(in.Runner.Token.Reveal()), Place: plan.Place(in), Form: compiled.Spare.Services[0].Form}
	err = l.warm.Keep(ctx, want, l.entry.room(), func(ctx context.Context) (*executor.Spare, error) {
		spare, err := l.entry.engine.StartSpare(ctx, compiled.Spare)
		if err == nil {
			l.log.Debug("a sidecar is kept ready for the next job of the project", "container", executor.SpareName(spare.Name))
		}
		return spare, err
	})
	if err != nil && ctx.Err() == nil {
		l.log.Warn("the next job gets a sidecar that starts with it", "error", err)
	}
}

// random are 16 hex digits, which make the names of a job's things unique.
func random() string {
	var digits [8]byte
	rand.Read(digits[:])
	return hex.EncodeToString(digits[:])
}

// room is how many sidecars the configuration lets the runner keep.
func (e *entry) room() dind.Room {
	limit := int(e.config.Dind.Warm)
	if e.config.Dind.Warm == config.WarmAuto {
		limit = e.atOnce()
	}
	return dind.Room{Limit: limit, Free: freeMemory(e.config.Dind.WarmFreeMemory)}
}

// atOnce is how many jobs the runner may run at once.
func (e *entry) atOnce() int {
	if e.config.Limit > 0 {
		return min(e.global.Concurrent, e.config.Limit)
	}
	return e.global.Concurrent
}

// freeMemory reports whether the machine has so much of it.
func freeMemory(least config.Bytes) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) {
		free, err := janitor.Memory()
		return free >= int64(least), err
	}
}

// adoptSpare takes over one, if the configuration still wants it.
func adoptSpare(r *Runner, e *entry, s *executor.Spare) bool {
	want := dind.Wanted{Runner: s.Runner, Place: s.Place, Form: s.Form}
	switch {
	case s.IsNetwork():
		return networksOf(r, e, s.Form).adopt(e.networkRoom(), s)
	case jobapi.ShortToken(e.config.Token.Reveal()) != s.Runner:
		return false
	case s.Helper:
		return r.helpers.Adopt(want, time.Now(), e.helperRoom(), s)
	}
	return r.warm.Adopt(want, s.Since, e.room(), s)
}

// adoptSpares takes over the sidecars, helpers and networks that an earlier process kept and that the configuration still wants. The
// others go. The plans are of the jobs that go on, which have their own.
func adoptSpares(ctx context.Context, r *Runner, engine *executor.Engine, plans []*executor.Plan) []*executor.Spare {
	spares, err := engine.Spares(ctx, plans)
	if err != nil {
		r.Logger.Warn("what an earlier runner kept ready is not used", "error", err)
	}
	var adopted []*executor.Spare
	for _, s := range spares {
		for _, p := range r.pollers {
			e := p.entry()
			if e.engine == engine && adoptSpare(r, e, s) {
				adopted = append(adopted, s)
				r.Logger.Info("what an earlier runner kept ready is used", "name", s.Name)
				break
			}
		}
	}
	return adopted
}
