package runner

import (
	"testing"
	"time"
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
	if r, _ := s.record("new"); !r.Used.After(future) {
		t.Errorf("the last use is noted for %v, an earlier one for %v", r.Used, future)
	}
}
