package jobapi

import (
	"net/http"
	"time"
)

// Outcome says what an answer to PatchTrace or UpdateJob means for the job.
type Outcome int

// The outcomes. Temporary is the zero value: whoever ignores an error at least keeps the data.
const (
	Temporary Outcome = iota // nothing was decided: keep the data, try again later; an error says why
	Stored                   // the trace chunk is stored: go on behind it
	Accepted                 // the state is taken over: done
	Retry202                 // the state is fine but the log is still being stored: wait Interval, send the rest of the log and the same update again
	Realign                  // the server has another length of the log: go on at Offset
	Resend                   // the server wants the whole log again, from 0, then the same update
	NotFound                 // the server does not know the job: ignore it between two chunks of a running job, give up at the end of one
	Over                     // the job has ended on the server (canceled, failed, erased, taken elsewhere): kill everything, send nothing more
)

// String names the outcome for logs.
func (o Outcome) String() string {
	switch o {
	case Stored:
		return "stored"
	case Accepted:
		return "accepted"
	case Retry202:
		return "retry"
	case Realign:
		return "realign"
	case Resend:
		return "resend"
	case NotFound:
		return "not found"
	case Over:
		return "over"
	}
	return "temporary"
}

// over reports whether the job has ended on the server. It looks at Job-Status before the status code, since a
// canceled job's chunk may still be answered with 202.
func over(a answer) bool {
	status := a.header.Get("Job-Status")
	return status == "canceled" || status == "failed" || a.status == http.StatusForbidden
}

// canceling reports whether the user asked the job to stop: the script ends, after_script still runs.
func canceling(a answer) bool { return a.header.Get("Job-Status") == "canceling" }

// interval returns the server's wish for the time between two trace chunks: 3 s while somebody watches, a minute
// otherwise. 0: none was given.
func interval(a answer) time.Duration {
	wish, _ := headerSeconds(a.header, "X-GitLab-Trace-Update-Interval")
	return wish
}
