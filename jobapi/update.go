package jobapi

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// State is what a runner reports of a job. There is none for canceled jobs: they end as failed, and the server knows.
type State string

// The states. Running must be accepted before one of the others is sent.
const (
	StateRunning State = "running"
	StateSuccess State = "success"
	StateFailed  State = "failed"
)

// Update is the state of a job together with the length of its log so far.
type Update struct {
	State         State
	FailureReason string // only with StateFailed; see MapFailureReason
	ExitCode      int    // 0: not sent
	Size          int64  // bytes of the whole log
	CRC32         uint32 // IEEE, over the whole log as it was sent
}

// UpdateReply is the meaning of the answer to an update.
type UpdateReply struct {
	Outcome   Outcome       // Accepted, Retry202, Resend, NotFound, Over or Temporary
	Canceling bool          // the user asked the job to stop
	Interval  time.Duration // the wait that the server wants before the next call; 0: none given
}

// updateBody is Update on the wire.
type updateBody struct {
	Token         Secret `json:"token"`
	State         State  `json:"state"`
	Info          Info   `json:"info"`
	FailureReason string `json:"failure_reason,omitempty"`
	ExitCode      int    `json:"exit_code,omitempty"`
	Checksum      string `json:"checksum"` // the same as in output; servers before 13 read this one
	Output        struct {
		Checksum string `json:"checksum"`
		Bytesize int64  `json:"bytesize"`
	} `json:"output"`
}

// UpdateJob reports a job's state. The error is nil unless the outcome is Temporary. After a final state, Over and
// NotFound mean done as well: the server has let go of the job.
func (c *Client) UpdateJob(ctx context.Context, jobID int64, token Secret, u Update) (UpdateReply, error) {
	checksum := fmt.Sprintf("crc32:%08x", u.CRC32)
	body := updateBody{
		Token:         token,
		State:         u.State,
		Info:          c.info,
		FailureReason: u.FailureReason,
		ExitCode:      u.ExitCode,
		Checksum:      checksum,
	}
	body.Output.Checksum, body.Output.Bytesize = checksum, u.Size
	a, err := c.send(ctx, call{
		method:  http.MethodPut,
		path:    fmt.Sprintf("jobs/%d", jobID),
		headers: map[string]string{"JOB-TOKEN": token.Reveal()},
		json:    body,
	})
	if err != nil {
		return UpdateReply{}, fmt.Errorf("report job %d as %s: %w", jobID, u.State, err)
	}
	reply := UpdateReply{Canceling: canceling(a), Interval: interval(a)}
	switch {
	case over(a):
		reply.Outcome = Over
	case a.status == http.StatusOK:
		reply.Outcome = Accepted
	case a.status == http.StatusAccepted:
		reply.Outcome = Retry202
	case a.status == http.StatusPreconditionFailed:
		reply.Outcome = Resend
	case a.status == http.StatusNotFound:
		reply.Outcome = NotFound
	case a.status == http.StatusConflict:
		reply.Outcome = Over // two-phase commit: another runner has the job
	default:
		return reply, fmt.Errorf("report job %d as %s: %w", jobID, u.State, statusError(a))
	}
	return reply, nil
}
