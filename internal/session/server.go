package session

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options are what Listen needs, all of [session_server].
type Options struct {
	Listen    string        // listen_address, host:port
	Advertise string        // advertise_address, host:port by which GitLab reaches Listen; empty: Listen itself
	Timeout   time.Duration // session_timeout: how long a job that has ended waits for a terminal that is still open
	Logger    *slog.Logger
}

// Server holds the sessions of the jobs that run, and of the requests that may bring one. A nil Server is one that is
// switched off: its sessions are nil, too.
type Server struct {
	options     Options
	listener    net.Listener
	certificate []byte // PEM

	mu       sync.Mutex
	sessions map[string]*Session // by the path of their address
}

// Listen takes the address and makes the certificate, which is new at every start. Nothing is answered before Serve.
func Listen(o Options) (*Server, error) {
	if o.Advertise == "" {
		o.Advertise = o.Listen
	}
	host, _, err := net.SplitHostPort(o.Advertise)
	if err != nil {
		return nil, fmt.Errorf("address of the terminal server: %w: advertise_address of [session_server] must look like board.example.com:8093", err)
	}
	pair, public, err := selfSigned(host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("start the terminal server: %w: choose another listen_address of [session_server]", err)
	}
	// Without HTTP/2, which has no websockets of the kind that Workhorse speaks.
	secure := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	return &Server{options: o, listener: secure, certificate: public, sessions: map[string]*Session{}}, nil
}

// Serve answers until ctx ends, then closes every terminal.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // it would tell of every port scanner
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(s.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve web terminals on %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	s.mu.Lock()
	for _, one := range s.sessions {
		one.end(errors.New("the runner stops"))
	}
	s.mu.Unlock()
	closing := server.Close()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return closing
}

// Open makes the session that goes with one job request; whoever called it calls Close when there is no job, or it is over.
func (s *Server) Open() *Session {
	if s == nil {
		return nil
	}
	one := &Session{server: s, path: "/session/" + strings.ToLower(rand.Text()), secret: rand.Text(), offered: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[one.path] = one
	return one
}

func (s *Server) forget(one *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, one.path)
}

// ServeHTTP finds the session of a request; all else is up to that.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isTerminal := strings.CutSuffix(r.URL.Path, "/exec")
	s.mu.Lock()
	one := s.sessions[path]
	s.mu.Unlock()
	if one == nil || !isTerminal {
		s.options.Logger.Debug("no such terminal", "path", r.URL.Path, "from", r.RemoteAddr)
		refuse(w, http.StatusNotFound, "no such session")
		return
	}
	one.serve(w, r)
}

func refuse(w http.ResponseWriter, status int, why string) { http.Error(w, why, status) }
