package coordinator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// Bounds of bodies: GitLab's proxy refuses a job request above 32 KiB; a trace patch holds at most 1 MiB.
const (
	maxRequestBody = 32 << 10
	maxPatchBody   = 1 << 20
	maxBody        = 4 << 20 // of any call: enough to see by how much one is too large
)

// api answers the calls of the job API. Each answer is a function of the request; the board is locked inside it.
type api struct{ board *board }

// reply is an answer before it is written, so that a fault can lose it.
type reply struct {
	status int
	header http.Header
	body   any   // nil: no body
	job    int64 // that it hands out, 0: none
}

func replyJSON(status int, body any) reply {
	return reply{status: status, header: http.Header{}, body: body}
}

func message(text string) any { return map[string]string{"message": text} }

func (r reply) write(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	if r.body == nil || r.status == http.StatusNoContent {
		w.WriteHeader(r.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	// The client may have gone; it will ask again.
	_ = json.NewEncoder(w).Encode(r.body)
}

// serve reads the body, applies a fault and writes the answer.
func (a *api) serve(endpoint Endpoint, answer func(*http.Request, []byte) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				a.board.lockedBreach("%s %s: body of more than %d bytes", r.Method, r.URL.Path, large.Limit)
			}
			replyJSON(http.StatusRequestEntityTooLarge, message("413 Request Entity Too Large")).write(w)
			return
		}
		name := endpoint
		if endpoint == EndpointUpdate && isFinalUpdate(body) {
			name = EndpointFinal
		}
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
		fault := a.board.nextFault(name, id)
		if fault.apply(r.Context(), w) {
			return
		}
		out := answer(r, body)
		if fault.spoil(r.Context()) {
			a.board.unheard(id, out)
			hangUp(w)
			return
		}
		out.write(w)
	}
}

func isFinalUpdate(body []byte) bool {
	var update struct{ State string }
	return json.Unmarshal(body, &update) == nil && (update.State == StateSuccess || update.State == StateFailed)
}

func (a *api) request(r *http.Request, body []byte) reply {
	b := a.board
	if len(body) > maxRequestBody {
		b.lockedBreach("POST /jobs/request: body of %d bytes, more than 32 KiB", len(body))
		return replyJSON(http.StatusRequestEntityTooLarge, message("413 Request Entity Too Large"))
	}
	b.mu.Lock()
	fields := b.readJSON("POST /jobs/request", r, body, requestFields())
	b.checkIdentity("POST /jobs/request", r, fields)
	features := featuresOf(fields)
	session := b.readSession("POST /jobs/request", fields, features)
	token, _ := fields["token"].(string)
	systemID, _ := fields["system_id"].(string)
	asker, ok := b.runners[token]
	if !ok {
		b.mu.Unlock()
		return replyJSON(http.StatusForbidden, message("403 Forbidden"))
	}
	if asker.Orphaned {
		b.mu.Unlock()
		return replyJSON(http.StatusUnprocessableEntity, message("422 Runner is orphaned"))
	}
	asker.managers[systemID] = true
	known, _ := fields["last_update"].(string)
	if known == b.lastUpdate && b.options.LongPoll > 0 {
		b.mu.Unlock()
		return a.hold(r, known)
	}
	defer b.mu.Unlock()
	var taken *job
	if known != b.lastUpdate {
		taken = b.take(asker, systemID, features)
	}
	if taken == nil {
		if asker.polledEmpty(systemID, b.options.PollInterval) {
			b.breach("POST /jobs/request: runner %d asked more than %d times within %s although there was no job", asker.ID, maxEmptyPolls, b.options.PollInterval)
		}
		out := replyJSON(http.StatusNoContent, nil)
		out.header.Set("X-GitLab-Last-Update", b.lastUpdate)
		return out
	}
	taken.session = session
	payload, err := b.payload(taken)
	if err != nil {
		taken.FailureReason = "data_integrity_failure"
		b.end(taken, StateFailed)
		return replyJSON(http.StatusInternalServerError, message(err.Error()))
	}
	out := replyJSON(http.StatusCreated, payload)
	out.job = taken.ID
	return out
}

// hold keeps a request until a job becomes pending, as Workhorse does: it is answered without a job even then, and the job
// comes with the next request.
func (a *api) hold(r *http.Request, known string) reply {
	timer := time.NewTimer(a.board.options.LongPoll)
	defer timer.Stop()
	out := replyJSON(http.StatusNoContent, nil)
	out.header.Set("Gitlab-Ci-Builds-Polling", "yes")
	for {
		a.board.mu.Lock()
		current, changed := a.board.lastUpdate, a.board.changed
		a.board.mu.Unlock()
		if current != known {
			return out
		}
		select {
		case <-changed:
		case <-timer.C:
			return out
		case <-r.Context().Done():
			return out
		}
	}
}

// contact finds the job of a call and checks its token. With ok the job token works; else the reply is the answer.
func (b *board) contact(call string, r *http.Request, bodyToken string) (j *job, answer reply, ok bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	j, known := b.jobs[id]
	if err != nil || !known {
		return nil, replyJSON(http.StatusNotFound, message("404 Not Found")), false
	}
	header := r.Header.Get("Job-Token")
	token := header
	if bodyToken != "" {
		token = bodyToken
	}
	if header != "" && header != token {
		b.breach("%s: token in the body and JOB-TOKEN header differ", call)
	}
	if token != j.Token {
		b.breach("%s: wrong job token", call)
		return nil, replyJSON(http.StatusForbidden, message("403 Forbidden")), false
	}
	out := replyJSON(http.StatusOK, nil)
	out.header.Set("Job-Status", j.State)
	if !j.alive() {
		out.status, out.body = http.StatusForbidden, message("403 Forbidden - Job is not running")
		return j, out, false
	}
	b.called(j)
	return j, out, true
}

func isMediaType(r *http.Request, want string) bool {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && got == want
}

// storedRange is the Range header of a log.
func (j *job) storedRange() string { return fmt.Sprintf("0-%d", len(j.trace)) }

// traceInterval is the header X-Gitlab-Trace-Update-Interval, whole seconds.
func (s site) traceInterval() string {
	return strconv.Itoa(max(1, int(s.options.TraceInterval/time.Second)))
}
