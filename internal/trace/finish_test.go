package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const finishLog = "0123456789"

// finishCase is one way in which a server may answer to the end of a job.
type finishCase struct {
	name         string
	patch, final []answer
	tries        int
	want         []string // calls, without times
	seconds      int      // that Finish takes, pauses between tries not counted
	unsent       bool     // the server does not get the log
	err          string
}

func finishCases() []finishCase {
	final := "final " + crc(finishLog)
	noNetwork := answer{err: errors.New("no network")}
	return []finishCase{
		{name: "at once", want: []string{"patch 0-9", final}},
		{name: "416", patch: []answer{{reply: Reply{Outcome: Realign, Offset: 7}}},
			want: []string{"patch 0-9", "patch 7-9", "patch 0-9", final}, seconds: 6, tries: 1},
		{name: "416 to the same place", patch: refuse(Realign), want: []string{"patch 0-9"}, tries: 1, seconds: 3,
			unsent: true, err: "(try 1): send job log at offset 0: the server refused it for now"},
		{name: "403 on a patch", patch: refuse(Over), final: refuse(Over), want: []string{"patch 0-9", final}, unsent: true},
		{name: "404 of a proxy", patch: refuse(NotFound), final: refuse(NotFound), want: []string{"patch 0-9", "patch 0-9", final, final}, tries: 3},
		{name: "202, 202, 200", final: []answer{
			{reply: Reply{Outcome: Pending, Interval: time.Second}}, {reply: Reply{Outcome: Pending, Interval: 2 * time.Second}}},
			want: []string{"patch 0-9", final, final, final}, seconds: 3, tries: 1},
		{name: "412", final: refuse(Resend), want: []string{"patch 0-9", final, "patch 0-9", final}, seconds: 3, tries: 1},
		{name: "412 on a patch", patch: refuse(Resend), want: []string{"patch 0-9", "patch 0-9", final}, seconds: 3, tries: 1},
		{name: "temporary on a patch", patch: refuse(Temporary), want: []string{"patch 0-9", "patch 0-9", final}, seconds: 3, tries: 2},
		{name: "temporary at the end", final: refuse(Temporary), want: []string{"patch 0-9", final, final}, seconds: 3, tries: 2},
		{name: "no network", patch: []answer{noNetwork}, final: []answer{noNetwork}, tries: 3,
			want: []string{"patch 0-9", "patch 0-9", final, final}},
		{name: "no network at all", patch: []answer{noNetwork, noNetwork, noNetwork}, tries: 2, unsent: true,
			want: []string{"patch 0-9", "patch 0-9"}, err: "(try 2): send job log at offset 0: no network"},
		{name: "no final state", final: []answer{noNetwork, noNetwork, noNetwork}, tries: 1,
			want: []string{"patch 0-9", final}, err: "(try 1): send final state: no network"},
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	for _, tt := range finishCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testFinish(t, tt) })
		})
	}
}

func testFinish(t *testing.T, tt finishCase) {
	tr, server := openTrace(t, Options{}), newFakeServer()
	raw(tr, finishLog)
	closeTrace(t, tr)
	server.patch, server.final = tt.patch, tt.final
	err := tr.Finish(t.Context(), server, tt.tries)
	took := time.Since(server.start)
	if (err == nil) != (tt.err == "") || err != nil && !strings.HasSuffix(err.Error(), tt.err) {
		t.Errorf("got error %v, want %q", err, tt.err)
	}
	var got []string
	for _, c := range server.calls {
		_, what, _ := strings.Cut(c, " ")
		got = append(got, what)
	}
	if diff := cmp.Diff(tt.want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	pauses := time.Duration(max(tt.tries-1, 0)) * 2 * time.Second
	if d := took - time.Duration(tt.seconds)*time.Second; d < 0 || d > pauses {
		t.Errorf("took %v, want %d s and at most %v of pauses", took, tt.seconds, pauses)
	}
	if arrived := string(server.log) == finishLog; arrived == tt.unsent {
		t.Errorf("the server has %q", server.log)
	}
}

func TestFinishDeliversWhatShipLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{Limit: 3*chunkSize + 100, Masks: []string{"secret"}}), newFakeServer()
		stop := shipping(t, tr, server)
		s := tr.Section("a", "A")
		fmt.Fprint(s, "a secret ")
		time.Sleep(4 * time.Second)
		fmt.Fprint(s, strings.Repeat("€", 2*chunkSize))
		stop()
		log := closeTrace(t, tr)
		if !strings.Contains(log, "Job's log exceeded limit") {
			t.Fatal("the log is not cut")
		}
		if err := tr.Finish(t.Context(), server, 1); err != nil {
			t.Fatal(err)
		}
		if string(server.log) != log {
			t.Errorf("the server has %d bytes, want %d", len(server.log), len(log))
		}
		last := server.calls[len(server.calls)-1]
		if want := "4s final " + crc(string(server.log)); last != want {
			t.Errorf("got %q, want %q", last, want)
		}
	})
}

func TestFinishPausesDoubleUpToAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tries = 10
		tr, server := openTrace(t, Options{}), newFakeServer()
		var at []time.Time
		for range tries {
			server.final = append(server.final, answer{err: errors.New("no network")})
		}
		up := timedFinal{server, &at}
		if err := tr.Finish(t.Context(), up, tries); err == nil {
			t.Error("no error")
		}
		if len(at) != tries {
			t.Fatalf("%d tries", len(at))
		}
		for i, most := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			d, most := at[i+1].Sub(at[i]), time.Duration(most)*time.Second
			if d < most/2 || d > most {
				t.Errorf("pause %d is %v, want %v to %v", i, d, most/2, most)
			}
		}
	})
}

// timedFinal notes when the final state was sent.
type timedFinal struct {
	*fakeServer
	at *[]time.Time
}

func (f timedFinal) Final(ctx context.Context, sum Sum) (Reply, error) {
	*f.at = append(*f.at, time.Now())
	return f.fakeServer.Final(ctx, sum)
}

func TestFinishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(*fakeServer){
		"in a pause":   func(f *fakeServer) { f.final = []answer{{err: errors.New("no network")}} },
		"in a 202":     func(f *fakeServer) { f.final = []answer{{reply: Reply{Outcome: Pending, Interval: time.Hour}}} },
		"in a refusal": func(f *fakeServer) { f.final = refuse(Temporary) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr, fake := openTrace(t, Options{}), newFakeServer()
				server(fake)
				cause := errors.New("stop at once")
				ctx, cancel := context.WithTimeoutCause(t.Context(), 400*time.Millisecond, cause)
				defer cancel()
				if err := tr.Finish(ctx, fake, 5); !errors.Is(err, cause) {
					t.Errorf("got %v, want %v", err, cause)
				}
				if took := time.Since(fake.start); took != 400*time.Millisecond {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestFinishOfADeletedJob: what the server does not know for ten minutes is not told it for ever.
func TestFinishOfADeletedJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{}), newFakeServer()
		raw(tr, finishLog)
		closeTrace(t, tr)
		server.patch = refuse(slices.Repeat([]Outcome{NotFound}, 1000)...)
		if err := tr.Finish(t.Context(), server, 1000); err != nil {
			t.Error(err)
		}
		if took := time.Since(server.start); took < unknownFor || took > unknownFor+2*longestPause {
			t.Errorf("given up after %v", took)
		}
	})
}
