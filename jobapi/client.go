package jobapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

// Options are what New needs. URL is required, and Token for every call that is not about one job.
type Options struct {
	URL      string // GitLab's address, with a path if it lives below one
	Token    Secret // the runner's token; a helper, which moves artifacts with tokens of jobs, has none
	SystemID string // tells runners that share a token apart
	Name     string // the runner entry's name, for log lines
	Info     Info

	TLSCAFile   string // PEM; added to the system's CAs
	TLSCertFile string // PEM client certificate; needs TLSKeyFile
	TLSKeyFile  string

	Timeout               time.Duration // of one request with its whole body; 0: an hour
	ResponseHeaderTimeout time.Duration // from the end of the body to the answer; 0: 10 minutes

	ConnectionMaxAge time.Duration  // idle connections older than this are dropped; 0: 15 minutes
	UserAgent        string         // empty: made from Info
	Observe          func(Exchange) // is told of each request; nil for nobody
	Logger           *slog.Logger   // nil: slog.Default()
}

// Client talks to one GitLab with one runner token. It is safe for concurrent use.
type Client struct {
	observe  func(Exchange)
	gitlab   *gitlab.Client
	token    Secret
	systemID string
	info     Info
	logger   *slog.Logger

	mu         sync.Mutex
	lastUpdate string // the queue's state at the last poll; see Request
}

// New returns a client. Its errors are all *ConfigError: nothing is sent yet.
func New(o Options) (*Client, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second} // as gitlab-runner
	return newClient(o, dialer.DialContext)
}

// newClient is New with the network as an argument.
func newClient(o Options, dial dialFunc) (*Client, error) {
	base, err := baseURL(o.URL)
	if err != nil {
		return nil, &ConfigError{err}
	}
	logger := cmp.Or(o.Logger, slog.Default()).With("runner", o.Name, "token", ShortToken(o.Token.Reveal()))
	transport := &transport{
		files:  tlsFiles{ca: o.TLSCAFile, cert: o.TLSCertFile, key: o.TLSKeyFile},
		maxAge: cmp.Or(o.ConnectionMaxAge, 15*time.Minute), headerTimeout: cmp.Or(o.ResponseHeaderTimeout, 10*time.Minute),
		dial: dial, logger: logger,
	}
	if err := transport.renew(transport.files.stamps()); err != nil {
		return nil, err
	}
	info := o.Info
	agent := fmt.Sprintf("%s %s (%s; %s/%s)", info.Name, info.Version, info.Revision, info.Platform, info.Architecture)
	client, err := gitlab.NewAuthSourceClient(gitlab.Unauthenticated{}, // the job API has headers of its own
		gitlab.WithBaseURL(base),
		gitlab.WithHTTPClient(&http.Client{Transport: transport, Timeout: cmp.Or(o.Timeout, time.Hour), CheckRedirect: keepRedirect}),
		gitlab.WithUserAgent(cmp.Or(o.UserAgent, agent)),
		gitlab.WithURLWarningLogger(logger),
		gitlab.WithoutRetries(), // retry.go decides
		gitlab.WithCustomLimiter(unlimited{}),
	)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("use gitlab at %s: %w", base, err)}
	}
	observe := o.Observe
	if observe == nil {
		observe = func(Exchange) {}
	}
	return &Client{observe: observe, gitlab: client, token: o.Token, systemID: o.SystemID, info: info, logger: logger}, nil
}

// baseURL cleans the configured address: trailing slashes and the legacy suffix /ci are dropped, other paths stay.
func baseURL(configured string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(configured))
	if err != nil {
		return "", fmt.Errorf("parse url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("url %q must look like https://gitlab.example.com", u.Redacted())
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	u.Path = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/ci"), "/")
	return u.String(), nil
}

// keepRedirect hands a redirect to the caller: following it would turn a POST into a GET, and send tokens along.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// unlimited replaces client-go's limiter, which would delay the traces of all jobs by the limit of any one answer.
type unlimited struct{}

func (unlimited) Wait(context.Context) error { return nil }

// call is one request to the job API.
type call struct {
	method, path string
	query        string
	headers      map[string]string
	to           *url.URL              // where to, instead of path and query
	json         any                   // the body, or
	raw          []byte                // the body as it is, or
	stream       func(io.Writer) error // what writes the body, anew for each attempt
	sink         io.Writer             // takes the body of a 200; nil: it is kept in the answer
}

// send makes a call until retry.go is content and returns the last answer, whatever its status. An error means that
// there is no whole answer: the network, TLS, or the end of ctx, whose cause is then in the chain (net/http puts it
// there). What was received up to then is returned with it.
func (c *Client) send(ctx context.Context, r call) (answer, error) {
	for attempt := 1; ; attempt++ {
		begun := time.Now()
		a, err := c.attempt(ctx, r)
		c.observe(Exchange{Endpoint: endpoint(r), Method: r.method, Status: a.status, Took: time.Since(begun)})
		if err != nil {
			return a, err
		}
		wait, again := retryDelay(a, attempt)
		if !again {
			return a, nil
		}
		c.logger.Warn("gitlab asks for patience", "method", r.method, "path", r.path, "status", a.status, "wait", wait, "attempt", attempt)
		if err := sleep(ctx, wait); err != nil {
			return answer{}, err
		}
	}
}

// attempt makes a call once. Statuses are no errors here.
func (c *Client) attempt(ctx context.Context, r call) (answer, error) {
	options := []gitlab.RequestOptionFunc{
		gitlab.WithContext(ctx), gitlab.WithHeaders(r.headers), gitlab.WithHeader("X-Request-Id", requestID()),
	}
	req, err := c.gitlab.NewRequest(r.method, r.path, r.json, options)
	if err != nil {
		return answer{}, fmt.Errorf("make the request: %w", err)
	}
	req.URL.RawQuery = r.query
	if r.to != nil {
		req.URL, req.Host = r.to, r.to.Host
	}
	exchange := func() (answer, error) {
		var body bytes.Buffer
		var into io.Writer = &body
		if r.sink != nil {
			into = r.sink
		}
		resp, err := c.gitlab.Do(req, into)
		if resp == nil {
			return answer{}, explainClock(err, time.Now())
		}
		a := answer{status: resp.StatusCode, header: resp.Header, body: body.Bytes(), from: resp.Request.URL, requestID: resp.Request.Header.Get("X-Request-Id"), tls: resp.TLS}
		if refused, ok := errors.AsType[*gitlab.ErrorResponse](err); ok {
			a.body = refused.Body
			return a, nil
		}
		if err != nil && !errors.Is(err, gitlab.ErrNotFound) {
			return a, fmt.Errorf("read the answer: %w", err)
		}
		return a, nil
	}
	switch {
	case r.raw != nil:
		err = req.SetBody(r.raw)
	case r.stream != nil:
		return streamed(r.stream, req.SetBody, exchange)
	}
	if err != nil {
		return answer{}, fmt.Errorf("set the body: %w", err)
	}
	return exchange()
}

// requestID returns a random id for the server's logs, of a UUID's length without its dashes.
func requestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
