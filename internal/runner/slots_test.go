package runner

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"lced-runner/internal/config"
	"lced-runner/internal/status"
	"lced-runner/jobapi"
)

func pollerWith(limit int) *poller { return newPoller(entryWith(limit)) }

func entryWith(limit int) *entry {
	return &entry{config: &config.Runner{Limit: limit}, log: slog.New(slog.DiscardHandler), status: quiet(), replaced: make(chan struct{})}
}

// quiet is told and tells nobody.
func quiet() *status.Runner {
	return status.New(status.Options{}).Runner(status.Identity{}, status.Limits{}, "")
}

// mustTake takes a slot that is free.
func mustTake(t *testing.T, s *slots, p *poller) *slot {
	t.Helper()
	one, err := s.take(t.Context(), p, p.entry())
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestSlotNumbers(t *testing.T) {
	t.Parallel()
	s, a, b := newSlots(10), pollerWith(0), pollerWith(0)
	first, second, third := mustTake(t, s, a), mustTake(t, s, a), mustTake(t, s, a)
	if got := []int{first.number, second.number, third.number}; !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("numbers %v", got)
	}
	if other := mustTake(t, s, b); other.number != 0 {
		t.Errorf("another runner's first job is number %d: each runner counts for itself", other.number)
	}
	second.free()
	if again := mustTake(t, s, a); again.number != 1 {
		t.Errorf("number %d, want the lowest free one", again.number)
	}
}

func TestProjectNumbers(t *testing.T) {
	t.Parallel()
	s, a, b, twin := newSlots(10), pollerWith(0), pollerWith(0), pollerWith(0)
	tokens := map[*poller]jobapi.Secret{a: "one", b: "another", twin: "one"}
	number := func(p *poller, project int64) (*slot, int) {
		one := mustTake(t, s, p)
		one.forProject(tokens[p], project)
		return one, one.inside
	}
	first, n0 := number(a, 54)
	_, n1 := number(a, 54)
	_, other := number(a, 55)
	_, elsewhere := number(b, 54)
	if got := []int{n0, n1, other, elsewhere}; !slices.Equal(got, []int{0, 1, 0, 0}) {
		t.Errorf("numbers %v, want 0 and 1 in the project, 0 in another and at another runner", got)
	}
	first.free()
	if _, again := number(a, 54); again != 0 {
		t.Errorf("number %d, want the lowest free one", again)
	}
	if _, shared := number(twin, 54); shared != 2 {
		t.Errorf("number %d of an entry with the same token, want 2: volumes are named by token and number", shared)
	}
	// A slot that got no job frees nobody's number.
	mustTake(t, s, a).free()
	if _, next := number(a, 54); next != 3 {
		t.Errorf("number %d, want 3", next)
	}
}

func TestSlotLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		concurrent  int
		limits      []int // of the runners
		taken       []int // how many slots each has, in order
		blocked     int   // the runner whose next take waits
		unblockedBy int   // a runner whose slot is then freed
	}{
		{"concurrent", 2, []int{0}, []int{2}, 0, 0},
		{"concurrent over all runners", 2, []int{0, 0}, []int{1, 1}, 0, 1},
		{"limit of the runner", 5, []int{1}, []int{1}, 0, 0},
		{"limit above concurrent", 1, []int{5}, []int{1}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSlots(test.concurrent)
				var pollers []*poller
				var last []*slot
				for i, limit := range test.limits {
					pollers = append(pollers, pollerWith(limit))
					last = append(last, nil)
					for range test.taken[i] {
						last[i] = mustTake(t, s, pollers[i])
					}
				}
				got := make(chan *slot, 1)
				go func() { got <- mustTake(t, s, pollers[test.blocked]) }()
				synctest.Wait()
				if len(got) > 0 {
					t.Fatal("one slot too many")
				}
				last[test.unblockedBy].free()
				synctest.Wait()
				if len(got) == 0 {
					t.Fatal("a slot is free and was not given")
				}
			})
		})
	}
}

// TestTakeGivesUp checks that who stops waiting leaves nothing taken behind.
func TestTakeGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, a, b := newSlots(1), pollerWith(1), pollerWith(1)
		held := mustTake(t, s, a)
		errStopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for _, p := range []*poller{a, b} { // a waits for its own limit, b for the common one
			wg.Go(func() {
				if _, err := s.take(ctx, p, p.entry()); !errors.Is(err, errStopped) {
					t.Errorf("got %v, want the cause", err)
				}
			})
		}
		synctest.Wait()
		cancel(errStopped)
		wg.Wait()
		held.free()
		mustTake(t, s, b).free()
		mustTake(t, s, a).free()
	})
}

// TestSlotsUnderLoad runs many jobs: never more at once than allowed, never two with one number.
func TestSlotsUnderLoad(t *testing.T) {
	t.Parallel()
	s, a, b := newSlots(4), pollerWith(3), pollerWith(0)
	tokens := map[*poller]jobapi.Secret{a: "one", b: "another"}
	var mu sync.Mutex
	numbers := map[*poller]map[int]bool{a: {}, b: {}}
	inside := map[projectKey]map[int]bool{}
	var wg sync.WaitGroup
	for i := range 200 {
		p := a
		if i%2 == 0 {
			p = b
		}
		wg.Go(func() {
			one := mustTake(t, s, p)
			one.forProject(tokens[p], int64(i%3))
			mu.Lock()
			if inside[one.project] == nil {
				inside[one.project] = map[int]bool{}
			}
			if numbers[p][one.number] || inside[one.project][one.inside] {
				t.Errorf("number %d, or %d of project %d, is given twice", one.number, one.inside, i%3)
			}
			numbers[p][one.number], inside[one.project][one.inside] = true, true
			if len(numbers[a]) > 3 || len(numbers[a])+len(numbers[b]) > 4 {
				t.Errorf("%d and %d jobs at once", len(numbers[a]), len(numbers[b]))
			}
			mu.Unlock()
			mu.Lock()
			delete(numbers[p], one.number)
			delete(inside[one.project], one.inside)
			mu.Unlock()
			one.free()
		})
	}
	wg.Wait()
}

// TestScarceSlots: a request that GitLab may hold for a minute must not keep the slot from those who also ask.
func TestScarceSlots(t *testing.T) {
	t.Parallel()
	s, a, b := newSlots(2), pollerWith(0), pollerWith(0)
	want := func(what string, scarce bool) {
		t.Helper()
		if s.scarce() != scarce {
			t.Errorf("%s: scarce is %v", what, !scarce)
		}
	}
	s.join(1)
	asking := mustTake(t, s, a)
	want("one asks, two slots", false)
	s.join(1)
	want("two ask, two slots", false)
	busy := mustTake(t, s, b)
	busy.forProject("glrt-b", 1)
	want("two ask, one slot has a job", true)
	busy.free()
	want("the job has ended", false)
	s.resize(1)
	want("two ask, one slot", true)
	s.join(-1)
	want("one asks, one slot", false)
	asking.free()
}
