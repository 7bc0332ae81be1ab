package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"lced-runner/jobapi"
)

// Standby asks for the report of a job that its runner left: that it failed, unless a runner comes back in time and ends the
// container that waits. It holds the job's token and travels on stdin only.
type Standby struct {
	GitLab GitLab        `json:"gitlab"`
	JobID  int64         `json:"job_id"`
	Token  jobapi.Secret `json:"token"`
	After  time.Duration `json:"after"`
	Reason string        `json:"reason"` // failure_reason
	Debug  bool          `json:"debug,omitempty"`
	// Size and CRC32 are of the log that GitLab has at least, in bytes; Log follows it.
	Size  int64  `json:"size"`
	CRC32 uint32 `json:"crc32"`
	Log   []byte `json:"log"`
}

// longestReport bounds the attempts to report a job: GitLab gives up a job of which it hears nothing after an hour.
const longestReport = time.Hour

// StandBy reads requests, one line of JSON each, to the end of in, says so on out, and obeys them when their time has come.
// The exit code is 0 when GitLab knows of the end of every job.
func StandBy(ctx context.Context, in io.Reader, out, errw io.Writer) int {
	var requests []Standby
	lines := json.NewDecoder(in)
	for {
		var s Standby
		err := lines.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Fprintf(errw, "unusable request: %v\n", err)
			return ExitBadRequest
		}
		requests = append(requests, s)
	}
	fmt.Fprintln(out, StandbyReady)
	errs := make([]error, len(requests))
	var wg sync.WaitGroup
	for i := range requests { // at once, or one that GitLab does not take would keep the others from it
		wg.Go(func() {
			if errs[i] = sleep(ctx, requests[i].After); errs[i] == nil {
				errs[i] = requests[i].report(ctx)
			}
		})
	}
	wg.Wait()
	code := 0
	for i, err := range errs {
		if err != nil {
			fmt.Fprintf(errw, "job %d: %v\n", requests[i].JobID, err)
			code = 1
		}
	}
	return code
}

// StandbyReady is the line with which StandBy says that it has its requests.
const StandbyReady = "ready"

// report tells GitLab, as often as that takes.
func (s *Standby) report(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "standby-")
	if err != nil {
		return fmt.Errorf("create a directory for certificates: %w", err)
	}
	defer os.RemoveAll(dir)
	client, err := s.GitLab.client(dir, nil)
	if err != nil {
		return err
	}
	begun, pause := time.Now(), time.Second
	for {
		err := s.tell(ctx, client)
		if err == nil || time.Since(begun) > longestReport {
			return err
		}
		// Jitter, or a GitLab that comes back would meet all jobs at once.
		if err := sleep(ctx, pause/2+rand.N(pause/2)); err != nil {
			return err
		}
		pause = min(2*pause, time.Minute)
	}
}

// tell is one attempt.
func (s *Standby) tell(ctx context.Context, client *jobapi.Client) error {
	if err := s.ship(ctx, client); err != nil {
		return err
	}
	// It is not sent once more: GitLab may have taken the ending, and only its answer be lost.
	s.Size, s.CRC32, s.Log = s.Size+int64(len(s.Log)), crc32.Update(s.CRC32, crc32.IEEETable, s.Log), nil
	update := jobapi.Update{State: jobapi.StateFailed, FailureReason: s.Reason, Size: s.Size, CRC32: s.CRC32}
	for {
		reply, err := client.UpdateJob(ctx, s.JobID, s.Token, update)
		if err != nil {
			return err
		}
		switch reply.Outcome {
		case jobapi.Accepted, jobapi.Over:
			return nil
		case jobapi.NotFound: // a proxy may say so while GitLab is upgraded
			return errors.New("GitLab does not know the job")
		case jobapi.Resend:
			return errors.New("GitLab wants the whole log, which is not here")
		}
		if err := sleep(ctx, max(reply.Interval, time.Second)); err != nil {
			return err
		}
	}
}

// ship brings the rest of the log. GitLab may have a part of it, if its answer did not reach the runner; if it has less than
// expected, the ending matters more than the log.
func (s *Standby) ship(ctx context.Context, client *jobapi.Client) error {
	realigned := false
	for rest := s.Log; len(rest) > 0; {
		n := min(len(rest), jobapi.MaxTraceChunk)
		reply, err := client.PatchTrace(ctx, s.JobID, s.Token, s.Size+int64(len(s.Log)-len(rest)), rest[:n], s.Debug)
		switch at := reply.Offset - s.Size; {
		case err != nil:
			return err
		case reply.Outcome == jobapi.Stored:
			rest = rest[n:]
		case reply.Outcome == jobapi.Realign && !realigned && at >= 0 && at <= int64(len(s.Log)):
			rest, realigned = s.Log[at:], true
		default:
			return nil
		}
	}
	return nil
}
