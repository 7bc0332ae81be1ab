package trace

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeServer keeps a log as GitLab does, and answers as told.
type fakeServer struct {
	start time.Time
	log   []byte
	calls []string // time since start, kind, and what was sent
	// answers are used up one after the other, by kind of request; without one a request is Stored.
	patch, keepAlive, final []answer
}

type answer struct {
	reply Reply
	err   error
}

func newFakeServer() *fakeServer { return &fakeServer{start: time.Now()} }

func (f *fakeServer) record(format string, args ...any) {
	f.calls = append(f.calls, fmt.Sprintf("%gs ", time.Since(f.start).Round(time.Second).Seconds())+fmt.Sprintf(format, args...))
}

func next(answers *[]answer) answer {
	if len(*answers) == 0 {
		return answer{reply: Reply{Outcome: Stored}}
	}
	a := (*answers)[0]
	*answers = (*answers)[1:]
	return a
}

func (f *fakeServer) Patch(_ context.Context, offset int64, chunk []byte) (Reply, error) {
	f.record("patch %d-%d", offset, offset+int64(len(chunk))-1)
	a := next(&f.patch)
	if a.err == nil && a.reply.Outcome == Stored {
		if offset != int64(len(f.log)) {
			return Reply{Outcome: Realign, Offset: int64(len(f.log))}, nil
		}
		f.log = append(f.log, chunk...)
	}
	return a.reply, a.err
}

func (f *fakeServer) KeepAlive(_ context.Context, sum Sum) (Reply, error) {
	f.record("running %d", sum.Size)
	a := next(&f.keepAlive)
	return a.reply, a.err
}

func (f *fakeServer) Final(_ context.Context, sum Sum) (Reply, error) {
	f.record("final %d %08x", sum.Size, sum.CRC32)
	a := next(&f.final)
	if a.reply.Outcome == Resend {
		f.log = nil
	}
	return a.reply, a.err
}

func (f *fakeServer) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// shipping runs Ship in the background. The returned function ends it and returns its signals.
func shipping(t *testing.T, tr *Trace, up Uploader) func() []Signal {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	var signals []Signal
	done := make(chan error, 1)
	go func() { done <- tr.Ship(ctx, up, func(s Signal) { signals = append(signals, s) }) }()
	return func() []Signal {
		t.Helper()
		cancel(errors.New("the job has ended"))
		if err := <-done; err != nil {
			t.Error(err)
		}
		return signals
	}
}

// raw appends bytes that no line or title surrounds.
func raw(tr *Trace, text string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.queue.out.write([]byte(text), mark{})
}

func refuse(outcomes ...Outcome) []answer {
	var answers []answer
	for _, o := range outcomes {
		answers = append(answers, answer{reply: Reply{Outcome: o}})
	}
	return answers
}

func TestShipSendsWhatIsNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{}), newFakeServer()
		stop := shipping(t, tr, server)
		raw(tr, "0123456789")
		time.Sleep(10 * time.Second)
		raw(tr, "abcdefghijklmno")
		time.Sleep(3 * time.Second)
		stop()
		server.wantCalls(t, "3s patch 0-9", "12s patch 10-24")
		if got := string(server.log); got != "0123456789abcdefghijklmno" {
			t.Errorf("got %q", got)
		}
	})
}

func TestShipKeepsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{}), newFakeServer()
		server.keepAlive = []answer{{err: errors.New("no network")}}
		stop := shipping(t, tr, server)
		time.Sleep(40 * time.Second)
		raw(tr, "a")
		time.Sleep(60 * time.Second)
		stop()
		server.wantCalls(t, "30s running 0", "33s running 0", "42s patch 0-0", "72s running 1")
	})
}

// TestShipKeepsAlivePatiently goes by the interval of the server, of which four may pass in silence.
func TestShipKeepsAlivePatiently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{PatientKeepAlive: true}), newFakeServer()
		server.keepAlive = []answer{{reply: Reply{Outcome: Stored, Interval: time.Minute}}, {reply: Reply{Outcome: Stored, Interval: 15 * time.Minute}}}
		stop := shipping(t, tr, server)
		time.Sleep(time.Hour)
		stop()
		server.wantCalls(t, "30s running 0", "270s running 0", "2070s running 0")
	})
}

func TestShipTakesTheServersInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{}), newFakeServer()
		server.patch = []answer{
			{reply: Reply{Outcome: Stored, Interval: time.Minute}},
			{reply: Reply{Outcome: Stored, Interval: 24 * time.Hour}},
		}
		stop := shipping(t, tr, server)
		for range 3 {
			raw(tr, "a")
			time.Sleep(62 * time.Second)
		}
		time.Sleep(15 * time.Minute)
		stop()
		server.wantCalls(t, "3s patch 0-0", "63s patch 1-1", "963s patch 2-2")
	})
}

func TestShipCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{Limit: 100 << 20}), newFakeServer()
		server.patch = []answer{{reply: Reply{Outcome: Stored, Interval: time.Minute}}}
		stop := shipping(t, tr, server)
		raw(tr, strings.Repeat("a", 2*chunkSize+5))
		time.Sleep(4 * time.Second)
		raw(tr, strings.Repeat("b", 10*chunkSize))
		time.Sleep(60 * time.Second)
		stop()
		const mib = chunkSize
		want := []string{fmt.Sprintf("3s patch 0-%d", mib-1), fmt.Sprintf("3s patch %d-%d", mib, 2*mib-1)}
		for i := 2; i < 10; i++ {
			want = append(want, fmt.Sprintf("63s patch %d-%d", i*mib, (i+1)*mib-1))
		}
		server.wantCalls(t, want...)
	})
}

func TestShipAfterRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		patch []answer
		want  []string
	}{
		{"416 behind", []answer{{}, {reply: Reply{Outcome: Realign, Offset: 7}}, {}},
			[]string{"3s patch 0-9", "6s patch 0-9", "9s patch 7-9"}},
		{"416 ahead of what we have", []answer{{reply: Reply{Outcome: Realign, Offset: 99}}}, []string{"3s patch 0-9"}},
		{"416 before the start", []answer{{reply: Reply{Outcome: Realign, Offset: -1}}}, []string{"3s patch 0-9", "6s patch 0-9"}},
		{"412", refuse(Resend), []string{"3s patch 0-9", "6s patch 0-9"}},
		{"404", refuse(NotFound), []string{"3s patch 0-9", "6s patch 0-9"}},
		{"temporary", refuse(Temporary), []string{"3s patch 0-9", "6s patch 0-9"}},
		{"no network", []answer{{err: errors.New("no network")}}, []string{"3s patch 0-9", "6s patch 0-9"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr, server := openTrace(t, Options{}), newFakeServer()
				server.patch = tt.patch
				stop := shipping(t, tr, server)
				raw(tr, "0123456789")
				time.Sleep(10 * time.Second)
				if signals := stop(); signals != nil {
					t.Errorf("signals: %v", signals)
				}
				server.wantCalls(t, tt.want...)
			})
		})
	}
}

func TestShipPassesCancelOn(t *testing.T) {
	t.Parallel()
	canceling := answer{reply: Reply{Outcome: Stored, Canceling: true}}
	for _, tt := range []struct {
		name             string
		patch, keepAlive []answer
		write            bool // something at every second
		signals          []Signal
		calls            int
	}{
		{name: "canceling in patches", patch: []answer{{reply: Reply{Outcome: Stored}}, canceling, canceling}, write: true, signals: []Signal{Canceling}, calls: 33},
		{name: "canceling in a keep-alive", keepAlive: []answer{canceling, canceling}, signals: []Signal{Canceling}, calls: 3},
		{name: "canceling with a refusal", patch: []answer{{reply: Reply{Outcome: Temporary, Canceling: true}}}, write: true, signals: []Signal{Canceling}, calls: 33},
		{name: "over in a patch", patch: refuse(Over), write: true, signals: []Signal{Over}, calls: 1},
		{name: "over in a keep-alive", keepAlive: refuse(Over), signals: []Signal{Over}, calls: 1},
		{name: "canceling, then over", patch: []answer{canceling, canceling, {reply: Reply{Outcome: Over, Canceling: true}}}, write: true, signals: []Signal{Canceling, Over}, calls: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr, server := openTrace(t, Options{}), newFakeServer()
				server.patch, server.keepAlive = tt.patch, tt.keepAlive
				stop := shipping(t, tr, server)
				for range 100 {
					if tt.write {
						raw(tr, "a")
					}
					time.Sleep(time.Second)
				}
				if diff := cmp.Diff(tt.signals, stop()); diff != "" {
					t.Error(diff)
				}
				if len(server.calls) != tt.calls {
					t.Errorf("got %d calls, want %d: %q", len(server.calls), tt.calls, server.calls)
				}
			})
		})
	}
}

func TestShipFailsWithoutItsSpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, server := openTrace(t, Options{}), newFakeServer()
		raw(tr, "a")
		if err := os.Truncate(tr.spool.file.Name(), 0); err != nil {
			t.Fatal(err)
		}
		err := tr.Ship(t.Context(), server, func(Signal) {})
		if err == nil || !strings.Contains(err.Error(), "read job log") {
			t.Errorf("got %v", err)
		}
	})
}

// crc is the checksum as the fake server records it.
func crc(log string) string { return fmt.Sprintf("%d %08x", len(log), crc32.ChecksumIEEE([]byte(log))) }

// TestShipBacksOff: a server that is away is tried after pauses that double up to a minute, whatever the calls are, and from
// the first success on at its interval. The log that waited meanwhile is whole.
func TestShipBacksOff(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]answer{
		"no network": {err: errors.New("no network")}, "temporary": {reply: Reply{Outcome: Temporary}}, "404": {reply: Reply{Outcome: NotFound}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const fails = 12
				tr, server := openTrace(t, Options{}), newFakeServer()
				var at []time.Time
				server.patch = slices.Repeat([]answer{away}, fails)
				stop := shipping(t, tr, timedPatch{server, &at})
				for n := 0; n < fails+3; n = len(at) {
					raw(tr, "a")
					time.Sleep(time.Second)
					synctest.Wait()
				}
				stop()
				for i, most := range []int{3, 6, 12, 24, 48, 60, 60, 60, 60, 60, 60, 60} {
					d, most := at[i+1].Sub(at[i]), time.Duration(most)*time.Second
					if d < max(most/2, firstInterval) || d > most {
						t.Errorf("pause %d is %v, want %v to %v", i, d, most/2, most)
					}
				}
				for i := fails; i < fails+2; i++ {
					if d := at[i+1].Sub(at[i]); d != firstInterval {
						t.Errorf("after a success the pause is %v", d)
					}
				}
				if log := string(server.log); log != strings.Repeat("a", len(log)) || int64(len(log)) != tr.sent {
					t.Errorf("the server has %d bytes, was sent %d: %.50q", len(log), tr.sent, log)
				}
			})
		})
	}
}

// timedPatch notes when the log was sent.
type timedPatch struct {
	*fakeServer
	at *[]time.Time
}

func (f timedPatch) Patch(ctx context.Context, offset int64, chunk []byte) (Reply, error) {
	*f.at = append(*f.at, time.Now())
	return f.fakeServer.Patch(ctx, offset, chunk)
}
