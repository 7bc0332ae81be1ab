package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lced-runner/internal/coordinator"
)

// gitlab is a coordinator that counts what a runner asks of it.
type gitlab struct {
	*coordinator.Server
	url    string
	http   *http.Server
	served chan error

	polls     atomic.Int64
	bytes     atomic.Int64 // both ways, of all connections
	once      sync.Once
	firstPoll chan time.Time
}

func newGitLab(address string, tokens ...string) (*gitlab, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, err
	}
	g := &gitlab{url: "http://" + listener.Addr().String(), served: make(chan error, 1), firstPoll: make(chan time.Time, 1)}
	if g.Server, err = coordinator.New(coordinator.Options{URL: g.url, LongPoll: 20 * time.Second}); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	for _, token := range tokens {
		g.AddRunner(coordinator.Runner{Token: token, AnyTags: true})
	}
	g.http = &http.Server{Handler: http.HandlerFunc(g.serve)}
	go func() { g.served <- g.http.Serve(counting{listener, &g.bytes}) }()
	return g, nil
}

func (g *gitlab) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/jobs/request") {
		g.polls.Add(1)
		g.once.Do(func() { g.firstPoll <- time.Now() })
	}
	g.Handler().ServeHTTP(w, r)
}

// awaitPoll returns when the runner asked for a job for the first time.
func (g *gitlab) awaitPoll(ctx context.Context) (time.Time, error) {
	select {
	case at := <-g.firstPoll:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

func (g *gitlab) close() error {
	closing := g.http.Close()
	if err := <-g.served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return closing
}

// counting adds up the bytes of its connections.
type counting struct {
	net.Listener
	bytes *atomic.Int64
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	return counted{conn, c.bytes}, err
}

type counted struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}
