package jobapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
)

// Request asks for a job; nil without an error means that there is none now. A server with long polling may hold the
// call for about a minute, which is no fault; the end of ctx ends it.
//
// Errors: ErrTokenRefused (403), ErrOrphaned (422), *BadPayloadError for a job that was assigned but cannot be read,
// and others that just mean "later". Unhealthy tells which of them count against the runner entry.
func (c *Client) Request(ctx context.Context, ask Ask) (*Job, error) {
	known := c.queueState("")
	if ask.AtOnce {
		known = ""
	}
	a, err := c.send(ctx, call{
		method:  http.MethodPost,
		path:    "jobs/request",
		headers: map[string]string{"RUNNER-TOKEN": c.token.Reveal()},
		json: struct {
			Token      Secret   `json:"token"`
			SystemID   string   `json:"system_id,omitempty"`
			LastUpdate string   `json:"last_update,omitempty"`
			Info       Info     `json:"info"`
			Session    *Session `json:"session,omitempty"`
		}{c.token, c.systemID, known, c.info, ask.Session},
	})
	if err != nil && a.status == http.StatusCreated {
		return nil, fmt.Errorf("ask for a job: %w", badPayload(a.body, err)) // cut off: the server counts it as ours
	}
	if err != nil {
		return nil, fmt.Errorf("ask for a job: %w", err)
	}
	c.queueState(a.header.Get("X-GitLab-Last-Update"))
	switch a.status {
	case http.StatusCreated:
		job, err := decodeJob(a.body)
		if job != nil {
			job.RequestID, job.ServerChain = a.requestID, chainOf(a.tls)
		}
		return job, err
	case http.StatusNoContent:
		return nil, nil
	case http.StatusConflict:
		return nil, nil // another runner was faster, or the database replica lags: the normal interval applies
	}
	return nil, fmt.Errorf("ask for a job: %w", runnerError(a))
}

// Ask is how a job is asked for.
type Ask struct {
	Session *Session // where the terminal of that job will be; nil without web terminals
	// AtOnce has a server with long polling answer at once: it holds only the requests of those who say what they know of
	// its queue.
	AtOnce bool
}

// Session tells the server where the interactive terminal of the job is that it is about to hand out.
type Session struct {
	URL           string `json:"url"`           // https; the terminal itself is at /exec below it
	Certificate   string `json:"certificate"`   // PEM: the only authority that the server believes there
	Authorization Secret `json:"authorization"` // the Authorization header by which it is known there
}

// queueState stores a new value of X-GitLab-Last-Update, if there is one, and returns the value to send. The server
// answers "nothing new" cheaply, or holds the call, as long as we send its present value; the answers of a held call
// carry none, so the old one stays.
func (c *Client) queueState(update string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if update != "" {
		c.lastUpdate = update
	}
	return c.lastUpdate
}

// decodeJob reads a payload, or as much of it as is needed to report the job as failed.
func decodeJob(body []byte) (*Job, error) {
	var job Job
	err := json.Unmarshal(body, &job)
	if err == nil && (job.ID <= 0 || job.Token == "") {
		err = errors.New("id or token is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("ask for a job: %w", badPayload(body, err))
	}
	return &job, nil
}

// badPayload finds the id and the token in a payload that is otherwise unreadable, cut off behind them included.
func badPayload(body []byte, err error) *BadPayloadError {
	bad := &BadPayloadError{Err: err}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, _ := decoder.Token(); start != json.Delim('{') {
		return bad
	}
	for decoder.More() {
		key, _ := decoder.Token()
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			break
		}
		switch key { // a value of an odd type leaves the zero value, and err says what matters
		case "id":
			_ = json.Unmarshal(value, &bad.ID)
		case "token":
			_ = json.Unmarshal(value, &bad.Token)
		}
	}
	return bad
}

// chainOf is the server's certificate with its issuers up to the authority, as PEM; nil without TLS.
func chainOf(state *tls.ConnectionState) []byte {
	if state == nil {
		return nil
	}
	chain := state.PeerCertificates
	if len(state.VerifiedChains) > 0 {
		chain = state.VerifiedChains[0]
	}
	var text []byte
	for _, certificate := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	return text
}
