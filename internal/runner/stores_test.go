package runner

import (
	"maps"
	"slices"
	"testing"
	"time"

	"lced-runner/executor"
)

// TestStoresOfAClockThatJumpedBack: the last use is the latest, whatever the clock said before.
func TestStoresOfAClockThatJumpedBack(t *testing.T) {
	t.Parallel()
	s, err := openStores(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	future := time.Now().Add(1000 * time.Hour)
	s.note("old", storeRecord{Used: future})
	s.note("new", storeRecord{Used: s.now()})
	if r := s.record(executor.StoredVolume{Name: "new"}, "r"); !r.Used.After(future) {
		t.Errorf("the last use is noted for %v, an earlier one for %v", r.Used, future)
	}
}

// TestStoresThatOthersRemoved are forgotten, but for those of other runners; what stays is as it was.
func TestStoresThatOthersRemoved(t *testing.T) {
	t.Parallel()
	s, err := openStores(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	there := executor.StoredVolume{Name: "there", Created: time.Unix(1, 0)}
	s.note("there", storeRecord{Runner: "mine", Used: time.Unix(2, 0), Size: 7})
	s.note("gone", storeRecord{Runner: "mine", Size: 8})
	s.note("another's", storeRecord{Runner: "other", Size: 9})
	s.keep("mine", []executor.StoredVolume{there})
	names := slices.Sorted(maps.Keys(s.records))
	if !slices.Equal(names, []string{"another's", "there"}) {
		t.Errorf("known are %q", names)
	}
	if got, want := s.record(there, "mine"), (storeRecord{Runner: "mine", Used: time.Unix(2, 0), Size: 7}); got != want {
		t.Errorf("known is %+v, want %+v", got, want)
	}
	if got := s.record(executor.StoredVolume{Name: "new", Created: time.Unix(3, 0)}, "mine"); got.Size != 0 || !got.Used.Equal(time.Unix(3, 0)) {
		t.Errorf("of one that nobody knows is known %+v", got)
	}
}
