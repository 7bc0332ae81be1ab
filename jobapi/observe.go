package jobapi

import (
	"net/http"
	"strings"
	"time"
)

// Exchange is one request to GitLab and its answer, for who counts them.
type Exchange struct {
	Endpoint string // gitlab-runner's name where it has one: request_job, update_job, patch_trace, reset_token
	Method   string
	Status   int           // 0: there was no answer
	Took     time.Duration // a request for a job may wait at GitLab for a minute
}

// endpoint is the name of what a call goes to.
func endpoint(r call) string {
	switch {
	case r.path == "jobs/request":
		return "request_job"
	case strings.HasSuffix(r.path, "/trace"):
		return "patch_trace"
	case strings.HasSuffix(r.path, "/artifacts"):
		return "artifacts"
	case strings.HasPrefix(r.path, "jobs/"):
		return "update_job"
	case r.path == "runners/verify":
		return "verify_runner"
	case strings.HasSuffix(r.path, "/reset_authentication_token"):
		return "reset_token"
	case r.method == http.MethodDelete:
		return "unregister"
	}
	return "register"
}
