package runner

import (
	"context"

	"lced-runner/internal/journal"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// uploader speaks to GitLab about one job, in package trace's words.
type uploader struct {
	api     *jobapi.Client
	job     *jobapi.Job
	debug   bool
	running bool           // GitLab has accepted the job as running
	over    bool           // GitLab has ended the job: there is nothing to tell it
	final   *journal.Final // set before the final update
}

func (u *uploader) Patch(ctx context.Context, offset int64, chunk []byte) (trace.Reply, error) {
	if reply, err := u.ensureRunning(ctx); err != nil || reply.Outcome == trace.Over {
		return reply, err
	}
	r, err := u.api.PatchTrace(ctx, u.job.ID, u.job.Token, offset, chunk, u.debug)
	return trace.Reply{Outcome: outcomeOfReply(r.Outcome), Offset: r.Offset, Canceling: r.Canceling, Interval: r.Interval}, err
}

func (u *uploader) KeepAlive(ctx context.Context, sum trace.Sum) (trace.Reply, error) {
	reply, err := u.update(ctx, jobapi.Update{State: jobapi.StateRunning}, sum)
	u.running = u.running || err == nil && reply.Outcome == trace.Stored
	return reply, err
}

func (u *uploader) Final(ctx context.Context, sum trace.Sum) (trace.Reply, error) {
	if reply, err := u.ensureRunning(ctx); err != nil || reply.Outcome == trace.Over {
		return reply, err
	}
	f := u.final
	return u.update(ctx, jobapi.Update{State: f.State, FailureReason: f.FailureReason, ExitCode: f.ExitCode}, sum)
}

// ensureRunning keeps the order that a server with two-phase commit insists on: nothing comes before the job was accepted
// as running (job-api contract 5.6).
func (u *uploader) ensureRunning(ctx context.Context) (trace.Reply, error) {
	if u.running {
		return trace.Reply{}, nil
	}
	return u.KeepAlive(ctx, trace.Sum{})
}

func (u *uploader) update(ctx context.Context, up jobapi.Update, sum trace.Sum) (trace.Reply, error) {
	up.Size, up.CRC32 = sum.Size, sum.CRC32
	r, err := u.api.UpdateJob(ctx, u.job.ID, u.job.Token, up)
	return trace.Reply{Outcome: outcomeOfReply(r.Outcome), Canceling: r.Canceling, Interval: r.Interval}, err
}

func outcomeOfReply(o jobapi.Outcome) trace.Outcome {
	switch o {
	case jobapi.Stored, jobapi.Accepted:
		return trace.Stored
	case jobapi.Retry202:
		return trace.Pending
	case jobapi.Realign:
		return trace.Realign
	case jobapi.Resend:
		return trace.Resend
	case jobapi.NotFound:
		return trace.NotFound
	case jobapi.Over:
		return trace.Over
	}
	return trace.Temporary
}
