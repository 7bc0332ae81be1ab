package runner

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/status"
	"lced-runner/jobapi"
)

// TestSlotsFollowTheConfiguration changes concurrent and limit while jobs run and pollers wait.
func TestSlotsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, a, b := newSlots(1), pollerWith(1), pollerWith(0)
		held := mustTake(t, s, a)
		got := make(chan *slot, 3)
		wait := func(p *poller) {
			go func() { // as a poll loop does: on with the new entry
				for {
					one, err := s.take(t.Context(), p, p.entry())
					if err == nil {
						got <- one
						return
					}
					if !errors.Is(err, errReplaced) {
						t.Errorf("got %v", err)
						return
					}
				}
			}()
			synctest.Wait()
		}
		wait(b)
		s.resize(2)
		synctest.Wait()
		if len(got) != 1 {
			t.Fatal("concurrent has grown, and the slot was not given")
		}
		s.resize(4)
		wait(a)
		if len(got) != 1 {
			t.Fatal("a slot above the limit was given")
		}
		a.replace(entryWith(2))
		synctest.Wait()
		if len(got) != 2 {
			t.Fatal("the limit was raised, and the slot was not given")
		}
		<-got
		if second := <-got; second.number != 1 || second.poller != a {
			t.Errorf("number %d: the job that still runs has 0", second.number)
		}
		// Three run. One may.
		s.resize(1)
		wait(b)
		held.free()
		synctest.Wait()
		if len(got) != 0 {
			t.Error("a slot was given although two jobs still run")
		}
		s.resize(3)
		synctest.Wait()
		if len(got) != 1 {
			t.Error("the slot was not given")
		}
	})
}

// TestRemovedRunnerStops checks that what waits for a runner that left the configuration ends, and takes nothing along.
func TestRemovedRunnerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p, other := newSlots(1), pollerWith(0), pollerWith(0)
		held := mustTake(t, s, other)
		r := &Runner{slots: s}
		if n := p.missing(); n != 1 {
			t.Fatalf("%d loops", n)
		}
		ended := make(chan bool)
		p.introduced.Do(func() {})
		go func() { r.poll(t.Context(), p, nil); close(ended) }()
		synctest.Wait()
		p.replace(nil)
		<-ended
		held.free()
		mustTake(t, s, other)
	})
}

// TestLoopsFollowRequestConcurrency is about how many requests may wait at GitLab at once.
func TestLoopsFollowRequestConcurrency(t *testing.T) {
	t.Parallel()
	with := func(n int) *entry {
		e := entryWith(0)
		e.config.RequestConcurrency = n
		return e
	}
	p := newPoller(with(2))
	if n := p.missing(); n != 2 {
		t.Errorf("%d loops to start, want 2", n)
	}
	p.replace(with(3))
	if n := p.missing(); n != 1 {
		t.Errorf("%d loops to start, want 1", n)
	}
	p.replace(with(0)) // as 1
	if p.missing() != 0 || p.next() != nil || p.next() != nil || p.next() == nil {
		t.Error("of three loops two have to end")
	}
}

// TestReloadKeepsRunners finds in a new configuration the runners of the old one, by token, else by name; and leaves all as
// it is where the new one cannot be used.
func TestReloadKeepsRunners(t *testing.T) {
	t.Parallel()
	const engine = "unix:///nonexistent.sock"
	configured := func(runners ...[3]string) *config.Config {
		c := config.Default()
		for _, r := range runners {
			one := config.DefaultRunner()
			one.Name, one.URL, one.Token, one.Docker.Host = r[0], r[1], jobapi.Secret(r[2]), engine
			c.Runners = append(c.Runners, one)
		}
		return c
	}
	r := &Runner{
		connections: connections{
			Options: Options{Env: func(string) string { return "" }, Logger: slog.New(slog.DiscardHandler), Status: status.New(status.Options{})},
			engines: map[config.Engine]*executor.Engine{{Host: engine}: {}},
		},
		slots: newSlots(1),
	}
	const here, there = "http://here.example.com", "http://there.example.com"
	reload := func(c *config.Config) []*poller {
		if err := r.reload(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return r.pollers
	}
	first := reload(configured([3]string{"a", here, "A"}, [3]string{"b", here, "B"}, [3]string{"c", here, "C"}, [3]string{"c2", here, "C"}))
	second := reload(configured(
		[3]string{"c", here, "C"}, [3]string{"c2", here, "C"}, // of one token: in their order
		[3]string{"renamed", here, "B"},
		[3]string{"a", here, "rotated"},
		[3]string{"a", there, "A"}, // another GitLab: another runner
	))
	for i, want := range []*poller{first[2], first[3], first[1], first[0]} {
		if second[i] != want {
			t.Errorf("runner %d is not the one that it was", i)
		}
	}
	if second[3].entry().config.Token != "rotated" {
		t.Error("the token is the old one")
	}
	if second[4] == first[0] {
		t.Error("a runner of another GitLab has the jobs of this one")
	}
	third := reload(configured([3]string{"b", here, "B"}))
	if len(third) != 1 || third[0] != second[2] || !second[0].gone || !second[4].gone || second[2].gone {
		t.Errorf("%d runners are left, want one, and the others gone", len(third))
	}
	bad := configured([3]string{"b", here, "B"}, [3]string{"bad", here, "D"})
	bad.Runners[0].Limit, bad.Runners[1].TLSCAFile, bad.Concurrent = 7, "/nonexistent/ca.pem", 9
	if err := r.reload(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "runner bad: ") {
		t.Errorf("error %v, want one that names the runner", err)
	}
	if len(r.pollers) != 1 || r.pollers[0].entry().config.Limit != 0 || r.slots.concurrent != 1 {
		t.Error("a configuration that cannot be used has changed something")
	}
}
