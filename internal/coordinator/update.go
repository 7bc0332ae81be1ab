package coordinator

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
)

// update takes a state from the runner.
func (a *api) update(r *http.Request, body []byte) reply {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	call := fmt.Sprintf("PUT /jobs/%s", r.PathValue("id"))
	fields := b.readJSON(call, r, body, updateFields())
	token, _ := fields["token"].(string)
	j, out, ok := b.contact(call, r, token)
	update := readUpdate(fields)
	if !ok {
		if j != nil {
			b.checkRepeatedUpdate(call, j, update)
		}
		return out
	}
	b.checkUpdate(call, j, update)
	j.Bytesize, j.Checksum = update.bytesize, update.checksum
	out.body = j.State
	switch update.state {
	case StateRunning:
		j.sentRunning, j.sawRunning = true, true
		b.notify()
	case StateSuccess, StateFailed:
		if !j.sawRunning {
			b.breach("%s: %s before any PUT running was answered", call, update.state)
		}
		b.finish(j, update)
		out.body = j.State
	default:
		b.breach("%s: state is %q, want running, success or failed", call, update.state)
		out.status, out.body = http.StatusBadRequest, message("400 Bad request - Unknown build state")
	}
	out.header.Set("Job-Status", j.State)
	out.header.Set("X-Gitlab-Trace-Update-Interval", b.traceInterval())
	return out
}

// stateUpdate is the body of PUT /jobs/:id.
type stateUpdate struct {
	state, reason, checksum, oldChecksum string
	exitCode, bytesize                   int64
	hasOutput                            bool
}

// content is what must be the same when a final update is repeated.
func (u stateUpdate) content() string {
	return fmt.Sprintf("%s %s %d %d %s", u.state, u.reason, u.exitCode, u.bytesize, u.checksum)
}

func readUpdate(fields map[string]any) stateUpdate {
	u := stateUpdate{}
	u.state, _ = fields["state"].(string)
	u.reason, _ = fields["failure_reason"].(string)
	u.oldChecksum, _ = fields["checksum"].(string)
	u.exitCode = integerOf(fields["exit_code"])
	output, ok := fields["output"].(map[string]any)
	u.hasOutput = ok
	u.bytesize = integerOf(output["bytesize"])
	u.checksum, _ = output["checksum"].(string)
	return u
}

func integerOf(value any) int64 {
	number, _ := value.(json.Number)
	out, _ := number.Int64()
	return out
}

// finish ends a job as its runner says. A canceling job becomes canceled whatever the runner reports.
func (b *board) finish(j *job, u stateUpdate) {
	j.final, j.ExitCode = u.content(), int(u.exitCode)
	b.checkTrace(j, slices.Collect(maps.Keys(b.runners)))
	if j.State == StateCanceling {
		b.end(j, StateCanceled)
		return
	}
	if u.state == StateFailed {
		j.FailureReason = u.reason
		if u.reason == "" {
			j.FailureReason = "unknown_failure"
		}
		if slices.Contains(j.spec.AllowedExitCodes, j.ExitCode) {
			j.AllowFailure = true
		}
	}
	b.end(j, u.state)
}

func (r *referee) checkUpdate(call string, j *job, u stateUpdate) {
	if !u.hasOutput {
		r.breach("%s: output is missing", call)
	}
	if u.oldChecksum != "" && u.oldChecksum != u.checksum {
		r.breach("%s: checksum %q and output.checksum %q differ", call, u.oldChecksum, u.checksum)
	}
	if u.state != StateFailed && u.reason != "" {
		r.breach("%s: failure_reason %q with state %s", call, u.reason, u.state)
	}
	if u.reason != "" && !slices.Contains(j.reasons, u.reason) {
		r.breach("%s: failure_reason %q is not one that the server listed", call, u.reason)
	}
	if u.state != StateFailed && u.exitCode != 0 {
		r.breach("%s: exit_code %d with state %s", call, u.exitCode, u.state)
	}
	stored, want := int64(len(j.trace)), fmt.Sprintf("crc32:%08x", crc32.ChecksumIEEE(j.trace))
	if u.state != StateRunning && u.bytesize != stored {
		r.breach("%s: output.bytesize is %d, the log that arrived has %d", call, u.bytesize, stored)
	}
	if u.bytesize == stored && u.checksum != want {
		r.breach("%s: output.checksum is %q, that of the log that arrived is %q", call, u.checksum, want)
	}
}

// checkRepeatedUpdate looks at an update of a job that is over. A final one may be repeated, since its answer can be lost, and
// may be sent once to a job that was canceled meanwhile.
func (r *referee) checkRepeatedUpdate(call string, j *job, u stateUpdate) {
	switch {
	case j.final != "" && u.state == StateRunning:
		r.breach("%s: running after the final state", call)
	case j.final != "" && u.content() != j.final:
		r.breach("%s: final state again, with another content: %s, then %s", call, j.final, u.content())
	case j.told && u.state == StateRunning:
		r.breach("%s: running although the runner was told that the job is %s", call, j.State)
	}
	j.told = true
}
