package coordinator

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// patch appends to a job's log if it starts where the stored log ends.
func (a *api) patch(r *http.Request, body []byte) reply {
	out, j := a.store(r, body)
	if j != nil {
		a.board.copyLive(j)
	}
	return out
}

func (a *api) store(r *http.Request, body []byte) (reply, *job) {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	call := fmt.Sprintf("PATCH /jobs/%s/trace", r.PathValue("id"))
	j, out, ok := b.contact(call, r, "")
	if !ok {
		if j != nil {
			b.checkAfterEnd(call, j)
		}
		return out, nil
	}
	if !j.sentRunning {
		b.breach("%s: before PUT running", call)
	}
	start, ok := b.checkPatch(call, r, body)
	if !ok {
		out.status, out.body = http.StatusBadRequest, message("400 Bad request - Content-Range or content is missing")
		return out, nil
	}
	out.header.Set("X-Gitlab-Trace-Update-Interval", b.traceInterval())
	if start != int64(len(j.trace)) {
		if j.mismatches++; j.mismatches == 2 {
			b.breach("%s: starts at %d although the server said that it has %d bytes", call, start, len(j.trace))
		}
		out.header.Set("Range", j.storedRange())
		out.status = http.StatusRequestedRangeNotSatisfiable
		return out, nil
	}
	j.mismatches = 0
	if j.FirstTrace.IsZero() && len(body) > 0 {
		j.FirstTrace = time.Now()
	}
	j.trace = append(j.trace, body...)
	j.TraceSize = len(j.trace)
	out.header.Set("Range", j.storedRange())
	out.status = http.StatusAccepted
	b.notify()
	return out, j
}

// checkPatch checks the form of a patch and returns its first offset; without one it cannot be stored.
func (r *referee) checkPatch(call string, request *http.Request, body []byte) (start int64, ok bool) {
	if !isMediaType(request, "text/plain") {
		r.breach("%s: Content-Type is %q, want text/plain", call, request.Header.Get("Content-Type"))
	}
	if debug := request.URL.Query().Get("debug_trace"); debug != "true" && debug != "false" {
		r.breach("%s: debug_trace is %q, want true or false", call, debug)
	}
	if len(body) == 0 {
		r.breach("%s: empty", call)
		return 0, false
	}
	if len(body) > maxPatchBody {
		r.breach("%s: body of %d bytes, more than 1 MiB", call, len(body))
	}
	header := request.Header.Get("Content-Range")
	match := regexp.MustCompile(`^(\d+)-(\d+)$`).FindStringSubmatch(header)
	if match == nil {
		r.breach("%s: Content-Range is %q, want <first>-<last>", call, header)
		return 0, false
	}
	start, errStart := strconv.ParseInt(match[1], 10, 64)
	last, errLast := strconv.ParseInt(match[2], 10, 64)
	if errStart != nil || errLast != nil {
		r.breach("%s: Content-Range is %q, out of range", call, header)
		return 0, false
	}
	if last-start+1 != int64(len(body)) {
		r.breach("%s: Content-Range is %q with a body of %d bytes", call, header, len(body))
	}
	return start, true
}
