package dind

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Spare is a sidecar, or another container of a job's, that was started before a job needs it.
type Spare interface {
	// Remove ends it, with all that was made for it.
	Remove(ctx context.Context) error
}

// Wanted says for whom a spare is, and what it is like.
type Wanted struct {
	Runner string // the spares of one runner are counted together
	Place  string // the project, slot and kind of ref whose jobs may have it: they share its volumes anyway
	Form   string // what it is made of; a job that wants another form cannot use it
}

// Room says how many spares there may be.
type Room struct {
	Limit int                                 // of one runner
	Free  func(context.Context) (bool, error) // whether the machine has memory for one more
	For   time.Duration                       // how long one is kept; 0 = until it is used
}

// Pool keeps spares ready: at most one for each place, started after a job of that place and from what that job asked for,
// used by one job and never given back. It decides only; starting and removing is the caller's business. Its methods may be
// called at once.
type Pool[S Spare] struct {
	mu     sync.Mutex
	kept   map[string]*kept[S] // by place
	busy   map[string]int      // by place: jobs that have leased it, even in vain, and not released it
	closed bool
}

// kept is a spare, or one that is being started.
type kept[S Spare] struct {
	Wanted
	since   time.Time
	keep    time.Duration // for so long; 0 = until it is used
	started chan struct{} // closed when spare and err are set
	spare   S
	err     error
}

// NewPool is empty.
func NewPool[S Spare]() *Pool[S] {
	return &Pool[S]{kept: map[string]*kept[S]{}, busy: map[string]int{}}
}

// Lease takes the spare of a place out of the pool, whatever its form: until Release nothing else holds the place's storage but
// the job. It waits for one that is being started, which is never later than starting another.
func (p *Pool[S]) Lease(ctx context.Context, place string) (spare S, found bool) {
	p.mu.Lock()
	p.busy[place]++
	k := p.kept[place]
	delete(p.kept, place)
	p.mu.Unlock()
	if k == nil {
		return spare, false
	}
	select {
	case <-k.started:
	case <-ctx.Done():
		// Nobody else knows of it: it goes back, for the next job or for Close, unless its start has failed meanwhile.
		p.mu.Lock()
		defer p.mu.Unlock()
		if !k.failed() {
			p.kept[place] = k
		}
		return spare, false
	}
	return k.spare, k.err == nil
}

// Release says that a job has ended that leased the place, and that nothing of it is left. The next one of the place may have
// begun before.
func (p *Pool[S]) Release(place string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[place]--; p.busy[place] <= 0 {
		delete(p.busy, place)
	}
}

// Keep starts a spare for the next job of a place. For it the oldest of the runner go that exceed its limit, and the oldest of
// all while the machine has too little memory; if it still has then, nothing is started. Nor is it where a job has the place.
func (p *Pool[S]) Keep(ctx context.Context, want Wanted, room Room, start func(context.Context) (S, error)) error {
	if err := p.makeRoom(ctx, want, room); err != nil {
		return err
	}
	k := &kept[S]{Wanted: want, since: time.Now(), keep: room.For, started: make(chan struct{})}
	p.mu.Lock()
	if p.closed || room.Limit == 0 || p.busy[want.Place] > 0 || p.kept[want.Place] != nil || p.count(want.Runner) >= room.Limit {
		p.mu.Unlock()
		return nil
	}
	p.kept[want.Place] = k
	p.mu.Unlock()
	k.spare, k.err = start(ctx)
	close(k.started)
	if k.err != nil {
		p.forget(k)
		return fmt.Errorf("keep a container for the next job: %w", k.err)
	}
	return nil
}

// errNoMemory ends a Keep.
var errNoMemory = errors.New("the machine has too little free memory to keep a container ready")

func (p *Pool[S]) makeRoom(ctx context.Context, want Wanted, room Room) error {
	for p.crowded(want, room.Limit) {
		if gone, err := p.Relieve(ctx, want.Runner); err != nil || !gone {
			return err
		}
	}
	if room.Limit == 0 {
		return nil
	}
	for {
		free, err := room.Free(ctx)
		if err != nil || free {
			return err
		}
		if gone, err := p.Relieve(ctx, ""); err != nil {
			return err
		} else if !gone {
			return errNoMemory
		}
	}
}

// crowded reports whether one more would be too many.
func (p *Pool[S]) crowded(want Wanted, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.count(want.Runner)
	return n > 0 && n >= limit && p.kept[want.Place] == nil && p.busy[want.Place] == 0
}

func (p *Pool[S]) count(runner string) int {
	n := 0
	for _, k := range p.kept {
		if k.Runner == runner {
			n++
		}
	}
	return n
}

// Relieve removes the spare of a runner, of any runner if that is empty, that is kept the longest; gone tells whether there was one.
func (p *Pool[S]) Relieve(ctx context.Context, runner string) (gone bool, err error) {
	p.mu.Lock()
	var oldest *kept[S]
	for _, k := range p.kept {
		if k.ready() && (runner == "" || k.Runner == runner) && (oldest == nil || k.since.Before(oldest.since)) {
			oldest = k
		}
	}
	if oldest != nil {
		delete(p.kept, oldest.Place)
	}
	p.mu.Unlock()
	if oldest == nil {
		return false, nil
	}
	return true, oldest.spare.Remove(ctx)
}

func (k *kept[S]) ready() bool { return k.over() && k.err == nil }

func (k *kept[S]) failed() bool { return k.over() && k.err != nil }

// over reports whether its start has ended.
func (k *kept[S]) over() bool {
	select {
	case <-k.started:
		return true
	default:
		return false
	}
}

func (p *Pool[S]) forget(k *kept[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept[k.Place] == k {
		delete(p.kept, k.Place)
	}
}

// Adopt takes over a spare that an earlier process has started, unless the place has one or the runner enough; adopted tells.
func (p *Pool[S]) Adopt(want Wanted, since time.Time, room Room, spare S) (adopted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.kept[want.Place] != nil || p.count(want.Runner) >= room.Limit {
		return false
	}
	k := &kept[S]{Wanted: want, since: since, keep: room.For, started: make(chan struct{}), spare: spare}
	close(k.started)
	p.kept[want.Place] = k
	return true
}

// Expire removes what nobody has used in time.
func (p *Pool[S]) Expire(ctx context.Context) error {
	p.mu.Lock()
	var old []S
	for place, k := range p.kept {
		if k.ready() && k.keep > 0 && time.Since(k.since) > k.keep {
			old = append(old, k.spare)
			delete(p.kept, place)
		}
	}
	p.mu.Unlock()
	var errs []error
	for _, spare := range old {
		errs = append(errs, spare.Remove(ctx))
	}
	return errors.Join(errs...)
}

// Close removes all that is kept, and keeps nothing any more.
func (p *Pool[S]) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	all := p.kept
	p.kept = map[string]*kept[S]{}
	p.mu.Unlock()
	var errs []error
	for _, k := range all {
		select {
		case <-k.started:
		case <-ctx.Done():
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		if k.err == nil {
			errs = append(errs, k.spare.Remove(ctx))
		}
	}
	return errors.Join(errs...)
}
