package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Session is the terminal of one job. A nil Session is that of a server which is switched off; its methods do nothing.
type Session struct {
	server  *Server
	path    string
	secret  string
	offered chan struct{} // closed when open is set

	mu     sync.Mutex
	open   func(context.Context) (Shell, error)
	user   *user // who is connected; nil: nobody
	closed error // why nobody may connect any more
}

// user is one connection.
type user struct {
	gone chan struct{} // closed at its end
	cut  context.CancelCauseFunc
}

// Shell is an interactive shell with a terminal. Read ends with io.EOF when the shell does.
type Shell interface {
	io.ReadWriteCloser
	// Resize tells the shell the size of the user's window, in characters.
	Resize(ctx context.Context, rows, columns uint) error
}

// Address is what GitLab has to know, as the fields of a job request's session.
func (s *Session) Address() (url, certificate, authorization string) {
	return "https://" + s.server.options.Advertise + s.path, string(s.server.certificate), s.secret
}

// Offer says how a shell in the job's container is opened; before it a user who connects waits. An error of open is shown
// to GitLab as "not ready": the container does not run yet, or any more.
func (s *Session) Offer(open func(context.Context) (Shell, error)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = open
	close(s.offered)
}

// Close ends the session and whoever is connected to it.
func (s *Session) Close() {
	if s == nil {
		return
	}
	s.server.forget(s)
	s.end(errors.New("the job has ended"))
}

// end lets nobody connect any more, and disconnects who is.
func (s *Session) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = why
	if s.user != nil {
		s.user.cut(why)
	}
}

// Wait keeps a job whose script has ended from going on while a user is connected, for session_timeout at most, and so that
// the rest of the job keeps some of its own time limit, the deadline of ctx. say writes to the job log.
func (s *Session) Wait(ctx context.Context, say func(format string, args ...any)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	one := s.user
	s.mu.Unlock()
	if one == nil {
		return
	}
	limit := s.server.options.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		limit = min(limit, left-min(left/2, forTheRest))
	}
	say("Terminal is connected, will time out in %v...", limit.Round(time.Second))
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-one.gone:
		say("Terminal disconnected")
	case <-timer.C:
		err := fmt.Errorf("terminal session timed out (maximum time allowed - %v)", limit.Round(time.Second))
		say("%v", err)
		s.end(err)
	case <-ctx.Done():
		s.end(context.Cause(ctx))
	}
}

// forTheRest is what is left of a job's time limit for after_script, caches and artifacts.
const forTheRest = 5 * time.Minute

// offerWait is how long a user waits for a job whose container is not there yet, as with gitlab-runner.
const offerWait = time.Minute

// serve answers a request for the terminal: 401, 405, 423 and 503 mean to GitLab what they mean from gitlab-runner.
func (s *Session) serve(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(s.secret)) != 1 {
		refuse(w, http.StatusUnauthorized, "wrong authorization")
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		refuse(w, http.StatusMethodNotAllowed, "a terminal is a websocket")
		return
	}
	ctx, one, status, err := s.connect(r.Context())
	if err != nil {
		refuse(w, status, err.Error())
		return
	}
	defer s.disconnect(one)
	shell, err := s.shell(ctx)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer shell.Close()
	// Who may come is decided by the secret. A browser's origin is Workhorse's business; it sends none.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{binaryProtocol, base64Protocol}, InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	s.server.options.Logger.Info("web terminal connected", "from", r.RemoteAddr)
	err = (&channel{conn: conn, shell: shell, base64: conn.Subprotocol() == base64Protocol}).run(ctx)
	s.server.options.Logger.Info("web terminal disconnected", "from", r.RemoteAddr, "reason", err)
}

// connect makes somebody the session's one user. The context ends with the connection.
func (s *Session) connect(ctx context.Context) (context.Context, *user, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed != nil:
		return nil, nil, http.StatusServiceUnavailable, s.closed
	case s.user != nil:
		return nil, nil, http.StatusLocked, errors.New("somebody else uses this job's terminal")
	}
	ctx, cut := context.WithCancelCause(ctx)
	s.user = &user{gone: make(chan struct{}), cut: cut}
	return ctx, s.user, 0, nil
}

func (s *Session) disconnect(one *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.cut(nil)
	close(one.gone)
	s.user = nil
}

// shell opens a shell as soon as the job can have one.
func (s *Session) shell(ctx context.Context) (Shell, error) {
	wait, cancel := context.WithTimeoutCause(ctx, offerWait, errors.New("the job's container is not ready yet"))
	defer cancel()
	select {
	case <-s.offered:
	case <-wait.Done():
		return nil, context.Cause(wait)
	}
	return s.open(wait)
}
