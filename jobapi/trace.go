package jobapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxTraceChunk is the number of bytes that one PatchTrace may carry, gitlab-runner's own limit.
const MaxTraceChunk = 1 << 20

// TraceReply is the meaning of the answer to a trace chunk.
type TraceReply struct {
	Outcome   Outcome       // Stored, Realign, NotFound, Over or Temporary
	Offset    int64         // bytes of the log that the server has; only for Realign
	Canceling bool          // the user asked the job to stop
	Interval  time.Duration // the wait that the server wants between chunks; 0: none given
}

// PatchTrace sends the bytes of a job's log that start at offset; chunk has 1 to MaxTraceChunk bytes. debug marks a log
// with debug output, which only privileged users may see; the server reads it from the chunk at 0. The error is nil
// unless the outcome is Temporary.
func (c *Client) PatchTrace(ctx context.Context, jobID int64, token Secret, offset int64, chunk []byte, debug bool) (TraceReply, error) {
	if len(chunk) == 0 || len(chunk) > MaxTraceChunk || offset < 0 {
		return TraceReply{}, fmt.Errorf("send the log of job %d: a chunk of %d bytes at %d cannot be sent", jobID, len(chunk), offset)
	}
	a, err := c.send(ctx, call{
		method: http.MethodPatch,
		path:   fmt.Sprintf("jobs/%d/trace", jobID),
		query:  "debug_trace=" + strconv.FormatBool(debug),
		headers: map[string]string{
			"JOB-TOKEN":     token.Reveal(),
			"Content-Type":  "text/plain",
			"Content-Range": fmt.Sprintf("%d-%d", offset, offset+int64(len(chunk))-1), // both inclusive, no unit
		},
		raw: chunk,
	})
	if err != nil {
		return TraceReply{}, fmt.Errorf("send the log of job %d: %w", jobID, err)
	}
	reply := TraceReply{Canceling: canceling(a), Interval: interval(a)}
	switch {
	case over(a):
		reply.Outcome = Over
	case a.status == http.StatusAccepted:
		reply.Outcome = Stored
	case a.status == http.StatusNotFound:
		reply.Outcome = NotFound
	case a.status == http.StatusRequestedRangeNotSatisfiable:
		reply.Outcome, reply.Offset = Realign, storedLength(a.header)
	default:
		return reply, fmt.Errorf("send the log of job %d: %w", jobID, statusError(a))
	}
	return reply, nil
}

// storedLength reads "Range: 0-<length>". The number is the length itself, not the index of the last byte; without a
// readable one the log is sent again from its start.
func storedLength(h http.Header) int64 {
	_, length, _ := strings.Cut(h.Get("Range"), "-")
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
