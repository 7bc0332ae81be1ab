package coordinator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"

	"github.com/coder/websocket"
)

// runnerSession is what a job request says about the terminal of the job to come.
type runnerSession struct{ url, certificate, authorization string }

// readSession takes the session of a job request apart. GitLab keeps none whose URL is not https, and shows the button of the
// terminal to nobody then.
func (r *referee) readSession(call string, fields map[string]any, features map[string]bool) *runnerSession {
	object, given := fields["session"].(map[string]any)
	if given != features["session"] || features["terminal"] != features["session"] {
		r.breach("%s: session given: %v, features session: %v, terminal: %v; all three go together", call, given, features["session"], features["terminal"])
	}
	if !given {
		return nil
	}
	var s runnerSession
	s.url, _ = object["url"].(string)
	s.certificate, _ = object["certificate"].(string)
	s.authorization, _ = object["authorization"].(string)
	if u, err := url.Parse(s.url); err != nil || u.Scheme != "https" || u.Host == "" || u.Path == "" || u.RawQuery != "" {
		r.breach("%s: session.url %q is not the https URL of a session", call, s.url)
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(s.certificate)) {
		r.breach("%s: session.certificate is no certificate", call)
	}
	if len(s.authorization) < 16 {
		r.breach("%s: session.authorization has %d characters, which can be guessed", call, len(s.authorization))
	}
	return &s
}

// Terminal is a user's web terminal, as Workhorse connects it to the runner.
type Terminal struct {
	board *board
	job   int64
	conn  *websocket.Conn
}

// TerminalRefused is the error of a terminal that the runner refuses.
type TerminalRefused struct{ Status int }

func (e *TerminalRefused) Error() string {
	return fmt.Sprintf("the runner refuses a terminal with status %d", e.Status)
}

// OpenTerminal connects to a running job of s as GitLab does when a user opens its terminal. change may change the request.
func OpenTerminal(ctx context.Context, s *Server, id int64, change func(address *string, header http.Header)) (*Terminal, error) {
	s.board.mu.Lock()
	j, known := s.board.jobs[id]
	var session *runnerSession
	if known && j.alive() {
		session = j.session
	}
	s.board.mu.Unlock()
	if session == nil {
		return nil, fmt.Errorf("job %d has no terminal: it does not run, or its runner offers none", id)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(session.certificate))
	address, header := session.url+"/exec", http.Header{"Authorization": {session.authorization}, "X-Forwarded-For": {"192.0.2.1"}}
	if change != nil {
		change(&address, header)
	}
	const protocol = "terminal.gitlab.com"
	conn, answer, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		HTTPHeader: header, Subprotocols: []string{protocol},
	})
	switch {
	case err != nil && answer != nil:
		return nil, &TerminalRefused{answer.StatusCode}
	case err != nil:
		return nil, fmt.Errorf("connect to the terminal of job %d: %w", id, err)
	case conn.Subprotocol() != protocol:
		s.board.lockedBreach("terminal of job %d: subprotocol %q, want %q", id, conn.Subprotocol(), protocol)
	}
	return &Terminal{board: s.board, job: id, conn: conn}, nil
}

// Read waits for the next of the terminal's bytes.
func (t *Terminal) Read(ctx context.Context) ([]byte, error) {
	kind, p, err := t.conn.Read(ctx)
	if err == nil && kind != websocket.MessageBinary {
		t.board.lockedBreach("terminal of job %d: a text message, want binary ones only", t.job)
	}
	return p, err
}

// Write types.
func (t *Terminal) Write(ctx context.Context, text string) error {
	return t.conn.Write(ctx, websocket.MessageBinary, []byte(text))
}

// Leave is a user who closes the page: Workhorse sends an end of transmission and cuts the connection.
func (t *Terminal) Leave(ctx context.Context) error {
	if err := t.Write(ctx, "\x04"); err != nil {
		return err
	}
	return t.conn.CloseNow()
}
