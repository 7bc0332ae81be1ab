package trace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// firstInterval is how often a log is sent until the server says otherwise.
	firstInterval = 3 * time.Second
	// longestInterval bounds what the server may ask for.
	longestInterval = 15 * time.Minute
	// keepAliveAfter is how long a job may be silent before the server is told that it lives. The server fails a job
	// that was silent for an hour, and an idle job learns of a cancel this way.
	keepAliveAfter = 30 * time.Second
	// longestSilence bounds a silence that goes by the server's interval.
	longestSilence = 30 * time.Minute
	// chunkSize is the most that gitlab-runner sends in one patch.
	chunkSize = 1 << 20
	// patchesPerTick stays below 200 patches a minute at the shortest interval: administrators lower the server's
	// limit to that.
	patchesPerTick = 8
)

// Uploader speaks to the server about one job. An error means that the server was not reached or gave no usable
// answer: the data is kept and sent again.
type Uploader interface {
	// Patch appends a chunk of the log at offset. The chunk is valid only during the call.
	Patch(ctx context.Context, offset int64, chunk []byte) (Reply, error)
	// KeepAlive says that the job is running.
	KeepAlive(ctx context.Context, sum Sum) (Reply, error)
	// Final says how the job ended.
	Final(ctx context.Context, sum Sum) (Reply, error)
}

// Reply is the server's answer.
type Reply struct {
	Outcome   Outcome
	Offset    int64         // with Realign: the length that the server has
	Canceling bool          // the user cancelled the job: its script is to stop, what follows the script is to run
	Interval  time.Duration // how long to wait until the next patch; 0 if the server does not say
}

// Outcome is what became of a request. The zero value is none of them and counts as Temporary.
type Outcome int

// Outcomes of requests.
const (
	Stored    Outcome = iota + 1 // accepted
	Realign                      // 416: the server has another length, see Reply.Offset
	Resend                       // 412: the log is to be sent again from its start
	Pending                      // 202 on the final PUT: the server still stores the log, ask again
	NotFound                     // 404: the server does not know the job
	Over                         // the job has ended on the server: canceled, failed, or 403
	Temporary                    // any other refusal: try again later
	Canceling                    // never in a Reply; a Signal only
)

// Signal is what the server wants of a running job: Canceling or Over.
type Signal = Outcome

// Ship sends the log to the server while the job runs, and learns from the replies what the server wants. While the server is
// away, it tries after pauses that double up to a minute, and from the first success on at the server's interval. It calls
// cancel with Canceling at most once, and with Over at most once; cancel must not wait for Ship. Ship returns nil when
// ctx ends or the job is Over, and an error only when the spool cannot be read.
func (t *Trace) Ship(ctx context.Context, up Uploader, cancel func(Signal)) error {
	h := heartbeat{
		upload:   upload{trace: t, up: up, interval: firstInterval},
		cancel:   cancel,
		lastSent: time.Now(),
	}
	tick := time.NewTimer(h.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := h.beat(ctx); err != nil || h.over {
				return err
			}
			tick.Reset(h.pause())
		}
	}
}

// heartbeat is the state of Ship.
type heartbeat struct {
	upload
	cancel    func(Signal)
	lastSent  time.Time // when the server last accepted something
	canceling bool      // cancel was told
	over      bool      // cancel was told
	failed    int       // calls in a row without an answer of use
}

// beat sends what waits, or says that the job is alive.
func (h *heartbeat) beat(ctx context.Context) error {
	ok, err := h.sendWaiting(ctx)
	if err != nil || !ok || time.Since(h.lastSent) < h.silence() {
		return err
	}
	reply, err := h.up.KeepAlive(ctx, h.sum())
	h.hear(reply, err, 0)
	return nil
}

// pause is the time until the next beat.
func (h *heartbeat) pause() time.Duration {
	if h.failed < 2 {
		return h.interval
	}
	wait := min(h.interval<<min(h.failed-1, 10), longestPause)
	// Jitter, or a server that comes back would meet all jobs at once.
	return max(h.interval, wait/2+rand.N(wait/2+1))
}

// hear acts on what came back for a patch of n bytes, or for a keep-alive, and reports whether it was stored. What was not is
// kept, and sent again at the next beat.
func (h *heartbeat) hear(reply Reply, err error, n int) (stored bool) {
	if err != nil {
		h.failed++
		return false
	}
	switch h.failed++; reply.Outcome {
	case Stored, Realign, Resend:
		h.failed = 0
	}
	h.take(reply, n)
	return reply.Outcome == Stored
}

// silence is how long the server may hear nothing of the job.
func (h *heartbeat) silence() time.Duration {
	if h.trace.patient {
		return min(max(4*h.interval, keepAliveAfter), longestSilence)
	}
	return keepAliveAfter
}

// sendWaiting sends what the spool has and the server has not. One patch per tick, as gitlab-runner does it, would
// leave a loud job a megabyte a minute: a minute's wait for every megabyte when it ends. So a full chunk that waits is
// sent at once; only a rest smaller than that waits for the next tick.
// ok is false when the server refused or was not reached; err is a spool that cannot be read.
func (h *heartbeat) sendWaiting(ctx context.Context) (ok bool, err error) {
	for n := range patchesPerTick {
		chunk, err := h.unsent()
		if err != nil {
			return false, err
		}
		if len(chunk) == 0 || n > 0 && len(chunk) < chunkSize {
			break
		}
		reply, err := h.up.Patch(ctx, h.trace.sent, chunk)
		if !h.hear(reply, err, len(chunk)) {
			return false, nil
		}
	}
	return true, nil
}

// take acts on a reply to a patch of n bytes, or to a keep-alive.
func (h *heartbeat) take(reply Reply, n int) {
	h.note(reply, n)
	switch {
	case reply.Outcome == Over:
		h.over = true
		h.cancel(Over)
		return
	case reply.Outcome == Stored:
		h.lastSent = time.Now()
	}
	if reply.Canceling && !h.canceling {
		h.canceling = true
		h.cancel(Canceling)
	}
}

// upload is what Ship and Finish know about the server.
type upload struct {
	trace    *Trace
	up       Uploader
	interval time.Duration
	chunk    []byte // what is being sent; kept to be used again
}

// note keeps what a reply says about the position and the interval; n is the length of the chunk that it answers.
func (u *upload) note(reply Reply, n int) {
	switch reply.Outcome {
	case Stored:
		u.has(u.trace.sent + int64(n))
	case Realign:
		u.has(min(max(reply.Offset, 0), u.sum().Size))
	case Resend:
		u.has(0)
	}
	if reply.Interval > 0 {
		u.interval = min(reply.Interval, longestInterval)
	}
}

// has notes how much of the log the server has.
func (u *upload) has(n int64) {
	t := u.trace
	if n == t.sent {
		return
	}
	t.sent = n
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spool.acknowledged(n)
}

// unsent reads the next chunk that the server does not have; it is empty when the server has all. It is valid until
// the next call.
func (u *upload) unsent() ([]byte, error) {
	t := u.trace
	t.mu.Lock()
	size, from := t.spool.sum.Size, t.spool.place(t.sent)
	t.mu.Unlock()
	n := min(size-t.sent, chunkSize)
	if n <= 0 {
		return nil, nil
	}
	// The server must never know more of the log than the disk: after a power cut the two could not be joined. A disk that
	// does not sync keeps no log from its readers.
	if t.synced < size && t.spool.sync() == nil {
		t.synced = size
	}
	if int64(cap(u.chunk)) < n {
		u.chunk = make([]byte, n)
	}
	chunk := u.chunk[:n]
	if err := t.spool.readAt(chunk, t.sent, from); err != nil {
		return nil, fmt.Errorf("read job log from its spool file at offset %d: %w", t.sent, err)
	}
	return chunk, nil
}
