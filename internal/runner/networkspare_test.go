package runner

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lced-runner/dind"
)

// spareNetwork is a network that knows whether it was removed.
type spareNetwork struct {
	name string
	gone *[]string
}

func (s spareNetwork) Remove(context.Context) error {
	*s.gone = append(*s.gone, s.name)
	return nil
}

// TestReadyNetworks: each network that is kept is leased once, by jobs that want its form, there are two at most on an engine, and an
// older form makes room.
func TestReadyNetworks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gone []string
		pool := dind.NewPool[spareNetwork]()
		on := func(host, form string) readyNetworks[spareNetwork] {
			return readyNetworks[spareNetwork]{pool, host, form}
		}
		room := dind.Room{Limit: mostNetworks, Free: func(context.Context) (bool, error) { return true, nil }, For: time.Minute}
		keep := func(r readyNetworks[spareNetwork], name string, want bool) {
			t.Helper()
			time.Sleep(time.Second)
			kept, err := r.keep(t.Context(), room, func(context.Context) (spareNetwork, error) { return spareNetwork{name, &gone}, nil })
			if err != nil || kept != want {
				t.Errorf("%s is kept: %v, want %v (%v)", name, kept, want, err)
			}
		}
		lease := func(r readyNetworks[spareNetwork], want string) {
			t.Helper()
			if got, found := r.lease(t.Context()); got.name != want || found != (want != "") {
				t.Errorf("leased %q, want %q", got.name, want)
			}
		}
		a, b, other := on("e", "mtu=1500"), on("e", "mtu=1400"), on("other", "mtu=1500")
		keep(a, "1", true)
		keep(a, "2", true)
		keep(a, "3", false)
		keep(other, "4", true)
		lease(b, "")
		lease(a, "1")
		lease(a, "2")
		lease(a, "")
		keep(a, "5", true) // a job that has one does not keep others from it
		keep(a, "6", true)
		keep(b, "7", true)
		if want := []string{"5"}; !slices.Equal(gone, want) {
			t.Errorf("%v are removed, want %v", gone, want)
		}
		if gone, err := pool.Relieve(t.Context(), "e"); !gone || err != nil {
			t.Errorf("none is given up for a job that needs its subnet: %v, %v", gone, err)
		}
		lease(a, "")
		refused := errors.New("a container is on it")
		if kept, err := a.keep(t.Context(), room, func(context.Context) (spareNetwork, error) { return spareNetwork{}, refused }); kept || !errors.Is(err, refused) {
			t.Errorf("one that cannot be kept is: %v, %v", kept, err)
		}
		for i, want := range []bool{true, false} {
			if got := a.adopt(room, spareNetwork{"8", &gone}); got != want {
				t.Errorf("adopted %d: %v", i, got)
			}
		}
		lease(a, "8")
		lease(b, "7")
		time.Sleep(2 * time.Minute)
		if err := pool.Expire(t.Context()); err != nil {
			t.Error(err)
		}
		if want := []string{"5", "6", "4"}; !slices.Equal(gone, want) {
			t.Errorf("%v are removed, want %v", gone, want)
		}
	})
}
