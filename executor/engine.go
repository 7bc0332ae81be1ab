package executor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Engine is one Docker engine. It is safe for concurrent use: all jobs of a runner share its connections and its pulls.
type Engine struct {
	docker     *client.Client
	host       string
	owner      string // value of LabelOwner
	images     images
	containers containers
	networks   networks
	volumes    volumes
	patience   patience
	claims     claims

	learning sync.Mutex // while containers find out the facts
	learnt   learnt
}

// Connection says how to reach an engine, as host, tls_verify and tls_cert_path of [runners.docker] do.
type Connection struct {
	Host       string // unix:// or tcp://; empty = unix:///var/run/docker.sock
	TLSVerify  bool   // only meaningful with tcp://
	CertPath   string // directory with ca.pem, cert.pem, key.pem
	APIVersion string // DOCKER_API_VERSION; empty = negotiated
	Owner      string // value of LabelOwner
	UserAgent  string
	OnUse      func(Use) // told of every use of an image or a reusable volume; may be nil
	// FreeSubnet gives up a network that is kept for jobs to come, since the engine has no subnet left; may be nil.
	FreeSubnet func(context.Context) (freed bool, err error)
	Beside     *Engine // another one of this process, which may be the same by another address; may be nil
}

// Connect reaches the engine and agrees with it on an API version. The error is one sentence that says what to do.
func Connect(ctx context.Context, c Connection) (*Engine, error) {
	if c.Host == "" {
		c.Host = client.DefaultDockerHost
	}
	opts := []client.Opt{client.WithHost(c.Host), client.WithUserAgent(c.UserAgent)}
	if c.APIVersion != "" {
		opts = append(opts, client.WithAPIVersion(c.APIVersion))
	}
	// gitlab-runner speaks TLS only where tls_verify asks for it; on a unix socket, as in configurations that set it for
	// the jobs' sake, it means nothing.
	if c.TLSVerify && c.CertPath != "" && strings.HasPrefix(c.Host, "tcp://") {
		in := func(name string) string { return filepath.Join(c.CertPath, name) }
		opts = append(opts, client.WithTLSClientConfig(in("ca.pem"), in("cert.pem"), in("key.pem")))
	}
	docker, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker engine %s: %w (check host and tls_cert_path of [runners.docker])", c.Host, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, pingTimeout, errSilent)
	defer cancel()
	ping, err := docker.Ping(limited, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		docker.Close()
		return nil, connectError(c.Host, err)
	}
	if ping.OSType != "" && ping.OSType != "linux" {
		docker.Close()
		return nil, fmt.Errorf("docker engine %s runs %s containers; this runner needs an engine for linux containers", c.Host, ping.OSType)
	}
	e := &Engine{docker: docker, host: c.Host, owner: c.Owner, patience: usualPatience()}
	e.claims = claims{onUse: c.OnUse, counts: &counts{}}
	if c.Beside != nil {
		e.claims.counts = c.Beside.claims.counts
	}
	e.images = images{docker: docker, pulls: pulls{patience: e.patience}}
	e.containers = containers{docker: docker, owner: c.Owner, claims: &e.claims}
	e.networks = networks{docker: docker, owner: c.Owner, claims: &e.claims, freeOne: c.FreeSubnet}
	e.volumes = volumes{docker: docker, containers: e.containers}
	return e, nil
}

// Close drops the idle connections to the engine.
func (e *Engine) Close() error { return e.docker.Close() }

// pingTimeout is how long an engine may take to say that it is there; a hung one never does.
const pingTimeout = 20 * time.Second

var errSilent = errors.New("it did not answer for 20 seconds")

// Ping asks whether the engine still answers, by a connection of its own: one that is on its way out takes no new ones, but
// serves those that it has for as long as its containers need to end.
func (e *Engine) Ping(ctx context.Context) error {
	_ = e.docker.Close() // only what is idle
	limited, cancel := context.WithTimeoutCause(ctx, e.patience.ping, errSilent)
	defer cancel()
	if _, err := e.docker.Ping(limited, client.PingOptions{}); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx) // that says nothing about the engine
		}
		e.learnt.forget() // it may come back with another configuration
		return connectError(e.host, err)
	}
	return nil
}

func connectError(host string, err error) error {
	path := strings.TrimPrefix(host, "unix://")
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EACCES), strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("no permission to use the docker engine's socket %s: run as root, or add this user (or with --group-add the container) to the socket's group", path)
	case errors.Is(err, fs.ErrNotExist), strings.Contains(err.Error(), "no such file"):
		return fmt.Errorf("no docker engine at %s: the socket does not exist; start docker, or mount the socket (-v /var/run/docker.sock:/var/run/docker.sock), or set host in [runners.docker]", host)
	case strings.Contains(err.Error(), "too old"), strings.Contains(err.Error(), "too new"), errdefs.IsInvalidArgument(err):
		return fmt.Errorf("the docker engine at %s is of a version that this runner cannot speak to (%v): API %s (Docker 19.03) or newer is needed", host, err, client.MinAPIVersion)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("the docker engine at %s does not answer (%v): check that dockerd runs there, and host in [runners.docker]", host, err)
	}
	return fmt.Errorf("ask the docker engine at %s for its version: %w", host, err)
}
