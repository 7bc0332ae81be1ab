package runner

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRationOfJobs(t *testing.T) {
	t.Parallel()
	r := &rations{Ration: Ration{Jobs: 2}}
	r.begin(func(why error) { t.Errorf("ended: %v", why) })
	if r.took() || !r.took() {
		t.Error("the second of two jobs is not the last")
	}
	r = &rations{}
	for range 100 {
		if r.took() {
			t.Fatal("one of any number is the last")
		}
	}
}

// TestRationOfIdleTime: the time begins anew when the last of several jobs has ended, and with none at once.
func TestRationOfIdleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		r := &rations{Ration: Ration{Idle: time.Minute}}
		r.runs(1) // of an earlier process
		r.begin(func(why error) { ended <- why })
		time.Sleep(time.Hour)
		r.runs(1)
		r.runs(-1)
		time.Sleep(time.Hour)
		r.runs(-1)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatalf("ended too early: %v", <-ended)
		}
		time.Sleep(time.Second)
		if why := <-ended; !errors.Is(why, errIdle) {
			t.Errorf("ended with %v", why)
		}
	})
}
