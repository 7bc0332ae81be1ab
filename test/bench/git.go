package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
)

// remote is the repository of the jobs over HTTP for whoever asks; the coordinator's wants the token of a running job.
type remote struct {
	url, sha string
	server   *http.Server
	served   chan error
}

func serveGit(s source) (*remote, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.gateway, "0"))
	if err != nil {
		return nil, err
	}
	r := &remote{url: "http://" + listener.Addr().String() + "/", sha: s.repository.SHA, served: make(chan error, 1)}
	r.server = &http.Server{Handler: &cgi.Handler{
		Path: program, Args: []string{"-c", "uploadpack.allowAnySHA1InWant=true", "http-backend"}, Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + s.repository.Dir, "GIT_HTTP_EXPORT_ALL=1"},
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

// gitInit makes a repository of a directory, with one commit.
func gitInit(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A"},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "-q", "-m", "files"},
	} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
