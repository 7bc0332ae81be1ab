package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options configure a Server. Only URL is needed.
type Options struct {
	// URL is what runner and jobs reach the server by, for example http://10.0.0.1:8929 or http://host/gitlab. CI_SERVER_URL,
	// CI_API_V4_URL and the repository URLs are made from it; its path is the base of every route.
	URL string
	// LongPoll is how long a job request without work is held. 0, GitLab's own default, answers at once.
	LongPoll time.Duration
	// PollInterval is the runner's check interval, by which a busy loop is told apart; default 1 s.
	PollInterval time.Duration
	// TraceInterval is sent as X-GitLab-Trace-Update-Interval, in whole seconds; default 3 s, as while somebody watches.
	TraceInterval time.Duration
	// JobTimeout is for jobs without a timeout of their own; default 1 h, GitLab's.
	JobTimeout time.Duration
	// MaxArtifact is the size above which artifacts are refused, in bytes; 0: there is no limit.
	MaxArtifact int64
	// StorageURL is where Artifacts.Storage is served; downloads that allow it are redirected there. Empty: the server
	// gives artifacts itself.
	StorageURL string
	// RegistrationToken makes runners by POST /runners. Empty: registration tokens are disabled, GitLab's own default.
	RegistrationToken string
	// PersonalToken is the access token of a user who owns all runners. Empty: there is none.
	PersonalToken string
	// Live, if set, is asked once per job at its first log bytes for a writer that then gets the log as it arrives, each
	// byte once even if the runner sends it again.
	Live func(Job) io.Writer
}

// Server holds runners, projects, pipelines and their jobs. All methods may be called at any time from any goroutine.
type Server struct {
	board   *board
	handler http.Handler
}

// New makes a server; it listens to nothing yet. The error is about Options.URL.
func New(options Options) (*Server, error) {
	base, err := url.Parse(options.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the server's external URL: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("the server's external URL %q needs http:// or https:// and a host", options.URL)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if options.PollInterval <= 0 {
		options.PollInterval = time.Second
	}
	if options.TraceInterval <= 0 {
		options.TraceInterval = 3 * time.Second
	}
	if options.JobTimeout <= 0 {
		options.JobTimeout = time.Hour
	}
	b := newBoard(options, base)
	return &Server{board: b, handler: newHandler(b)}, nil
}

// Handler gives every route below the path of Options.URL: /api/v4/... and the git repositories.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on a listener until ctx is done, then cuts open connections. It returns nil in that case.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 30 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving the job API on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	closing := server.Close()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the job API on %s: %w", listener.Addr(), err)
	}
	return closing
}

func newHandler(b *board) http.Handler {
	calls := &api{board: b}
	repositories := &gitHandler{board: b}
	artifacts := &transfers{board: b}
	base := b.base.Path
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+base+"/api/v4/runners", calls.serve(EndpointRegister, calls.register))
	mux.HandleFunc("DELETE "+base+"/api/v4/runners", calls.serve(EndpointRegister, calls.unregister))
	mux.HandleFunc("DELETE "+base+"/api/v4/runners/managers", calls.serve(EndpointRegister, calls.removeManager))
	mux.HandleFunc("POST "+base+"/api/v4/runners/reset_authentication_token", calls.serve(EndpointReset, calls.resetToken))
	mux.HandleFunc("POST "+base+"/api/v4/runners/{id}/reset_authentication_token", calls.serve(EndpointReset, calls.resetTokenByID))
	mux.HandleFunc("POST "+base+"/api/v4/runners/verify", calls.serve(EndpointVerify, calls.verify))
	mux.HandleFunc("POST "+base+"/api/v4/jobs/request", calls.serve(EndpointRequest, calls.request))
	mux.HandleFunc("PUT "+base+"/api/v4/jobs/{id}", calls.serve(EndpointUpdate, calls.update))
	mux.HandleFunc("PATCH "+base+"/api/v4/jobs/{id}/trace", calls.serve(EndpointTrace, calls.patch))
	mux.HandleFunc("POST "+base+"/api/v4/jobs/{id}/artifacts", artifacts.upload)
	mux.HandleFunc("GET "+base+"/api/v4/jobs/{id}/artifacts", artifacts.download)
	mux.Handle(base+"/", repositories)
	return mux
}
