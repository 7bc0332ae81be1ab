package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"

	"lced-runner/internal/coordinator"
)

// remote is the repository of the jobs over HTTP for whoever asks; the coordinator's wants the token of a running job.
type remote struct {
	url, sha string
	server   *http.Server
	served   chan error
}

func serveGit(address string, repository coordinator.Repository) (*remote, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, err
	}
	r := &remote{url: "http://" + listener.Addr().String() + "/", sha: repository.SHA, served: make(chan error, 1)}
	r.server = &http.Server{Handler: &cgi.Handler{
		Path: program, Args: []string{"-c", "uploadpack.allowAnySHA1InWant=true", "http-backend"}, Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + repository.Dir, "GIT_HTTP_EXPORT_ALL=1"},
	}}
	go func() { r.served <- r.server.Serve(listener) }()
	return r, nil
}

func (r *remote) close() error {
	closing := r.server.Close()
	if err := <-r.served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return closing
}
