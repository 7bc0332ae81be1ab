package jobapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

var (
	// ErrTokenRefused is in the chain of a 403 to Verify and Request: the runner's token is revoked or wrong.
	ErrTokenRefused = errors.New("the runner token is not valid (any more): create a runner in GitLab and put its token into the configuration")
	// ErrOrphaned is in the chain of a 422 to Verify and Request: the owner of the runner was deleted.
	ErrOrphaned = errors.New("the runner has lost its owner (its group or project was deleted) or the request was invalid: create a runner in GitLab and put its token into the configuration")
)

// ConfigError is a fault of the local configuration: a bad URL, or certificate files that cannot be used. The network
// never causes it.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

func (e *ConfigError) Unwrap() error { return e.Err }

// StatusError is an HTTP answer that is not the one that was hoped for.
type StatusError struct {
	Status  int
	Message string // the server's words, shortened; may be empty
	reason  error  // ErrTokenRefused, ErrOrphaned or nil
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("gitlab answered %d %s", e.Status, http.StatusText(e.Status))
	switch {
	case strings.HasPrefix(e.Message, strconv.Itoa(e.Status)+" "):
		text = "gitlab answered " + e.Message // most of GitLab's own messages repeat the status
	case e.Message != "":
		text += ": " + e.Message
	}
	if e.reason != nil {
		text += ": " + e.reason.Error()
	}
	return text
}

func (e *StatusError) Unwrap() error { return e.reason }

// BadPayloadError is a 201 whose job cannot be decoded. The server already believes that the job runs here, so the
// caller should report it as failed with ID and Token, where these could be read.
type BadPayloadError struct {
	ID    int64  // 0 if unreadable
	Token Secret // empty if unreadable
	Err   error
}

func (e *BadPayloadError) Error() string {
	return fmt.Sprintf("gitlab assigned job %d but its payload cannot be read: %v", e.ID, e.Err)
}

func (e *BadPayloadError) Unwrap() error { return e.Err }

// Unhealthy reports whether err counts against a runner entry, which is disabled for a while after several in a row.
// Only a refused token and a bad local configuration count: a server that is down must find us still polling.
func Unhealthy(err error) bool {
	if _, bad := errors.AsType[*ConfigError](err); bad {
		return true
	}
	return errors.Is(err, ErrTokenRefused)
}

// statusError makes the error for an answer to an ordinary call.
func statusError(a answer) *StatusError {
	e := &StatusError{Status: a.status, Message: message(a.body)}
	if to := a.header.Get("Location"); to != "" {
		e.Message = fmt.Sprintf("it redirects to %s; put the final address into url", shorten(to))
	}
	return e
}

// runnerError is statusError for the calls that use the runner's token.
func runnerError(a answer) *StatusError {
	e := statusError(a)
	switch a.status {
	case http.StatusForbidden:
		e.reason = ErrTokenRefused
	case http.StatusUnprocessableEntity:
		e.reason = ErrOrphaned
	}
	return e
}

// message finds the server's words in an error body: {"message": text or object}, {"error": text}, or anything at all
// from a proxy on the way.
func message(body []byte) string {
	var parsed struct {
		Message json.RawMessage `json:"message"`
		Error   string          `json:"error"`
	}
	if json.Unmarshal(body, &parsed) != nil {
		return shorten(string(body))
	}
	var text string
	if json.Unmarshal(parsed.Message, &text) != nil {
		text = string(parsed.Message)
	}
	if text == "" {
		text = parsed.Error
	}
	return shorten(text)
}

// shorten makes one line of at most 200 bytes, enough for a sentence of GitLab's and too little for an HTML page.
func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "..."
	}
	return text
}
