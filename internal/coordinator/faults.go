package coordinator

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Endpoint names a call of the protocol, for faults.
type Endpoint string

// The endpoints. An update with a final state is EndpointFinal, any other one EndpointUpdate.
const (
	EndpointRegister Endpoint = "register" // and unregister
	EndpointReset    Endpoint = "reset"    // of the runner token
	EndpointVerify   Endpoint = "verify"
	EndpointRequest  Endpoint = "request"
	EndpointTrace    Endpoint = "trace"
	EndpointUpdate   Endpoint = "update"
	EndpointFinal    Endpoint = "final"
	EndpointUpload   Endpoint = "upload"   // of artifacts
	EndpointDownload Endpoint = "download" // of artifacts
	EndpointGit      Endpoint = "git"
)

// Fault is a disturbance of the next calls of an endpoint. Calls that it answers or cuts are not processed, so nothing about
// them is checked. Examples: {Endpoint: EndpointFinal, Status: 202, Times: 2} lets the final update be repeated twice;
// {Endpoint: EndpointTrace, Status: 416, Truncate: true, Keep: 7} makes the server lose the log after 7 bytes;
// {Endpoint: EndpointFinal, Status: 412, Truncate: true} makes it lose all of it.
type Fault struct {
	Endpoint Endpoint
	Job      int64         // only calls about this job; 0: all
	Times    int           // number of calls; 0 means 1; below 0 drops the faults of the endpoint that still wait
	Delay    time.Duration // before anything else
	Truncate bool          // cut the stored log to Keep bytes
	Keep     int
	Status   int           // answer with this instead of processing; a 416 carries the Range of the stored log
	Header   http.Header   // of that answer
	Cut      bool          // close the connection without an answer
	Lose     bool          // process the call, then close the connection without an answer
	Hold     time.Duration // process the call, and wait that long with the answer
}

// Inject adds a fault behind those that wait already.
func (s *Server) Inject(f Fault) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if f.Times < 0 {
		s.board.faults = slices.DeleteFunc(s.board.faults, func(w *Fault) bool { return w.Endpoint == f.Endpoint })
		return
	}
	f.Times = max(f.Times, 1)
	s.board.faults = append(s.board.faults, &f)
}

// nextFault takes the first fault for a call, and cuts the job's log if the fault says so. It returns nil for none.
func (b *board) nextFault(endpoint Endpoint, job int64) *Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, f := range b.faults {
		if f.Endpoint != endpoint || f.Job != 0 && f.Job != job {
			continue
		}
		if f.Times--; f.Times == 0 {
			b.faults = append(b.faults[:i:i], b.faults[i+1:]...)
		}
		taken := *f
		taken.Header = f.Header.Clone()
		if j, ok := b.jobs[job]; ok {
			// The runner did call, which is all that it owes.
			b.called(j)
			j.sentRunning = j.sentRunning || endpoint == EndpointUpdate
			if f.Truncate && f.Keep < len(j.trace) {
				j.trace = j.trace[:f.Keep:f.Keep]
				j.TraceSize = f.Keep
			}
			if f.Status == http.StatusRequestedRangeNotSatisfiable && taken.Header.Get("Range") == "" {
				if taken.Header == nil {
					taken.Header = http.Header{}
				}
				taken.Header.Set("Range", j.storedRange())
			}
		}
		return &taken
	}
	return nil
}

// unheard takes back what the lost answer to a call about a job, or for one, would have told the runner: where the log ends,
// and that it has the job.
func (b *board) unheard(job int64, lost reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j, ok := b.jobs[job]; ok {
		j.mismatches = 0
	}
	if j, ok := b.jobs[lost.job]; ok {
		j.Unheard = true
		b.notify()
	}
}

// apply waits, answers or cuts. It says whether the call is over.
func (f *Fault) apply(ctx context.Context, w http.ResponseWriter) (over bool) {
	if f == nil {
		return false
	}
	if !wait(ctx, f.Delay) {
		return true
	}
	switch {
	case f.Cut:
		hangUp(w)
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		replyJSON(f.Status, message(fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status)))).write(w)
	default:
		return false
	}
	return true
}

// spoil says whether the answer to a call that was processed is lost, once it was held back.
func (f *Fault) spoil(ctx context.Context) (lost bool) {
	if f == nil {
		return false
	}
	return f.Lose || !wait(ctx, f.Hold)
}

// wait returns false where the caller does not wait as long.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hangUp closes the connection under an answer.
func hangUp(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 and recorders have no connection to cut.
		http.Error(w, "connection cut", http.StatusBadGateway)
		return
	}
	_ = connection.Close()
}
