package jobapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
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
	http     *http.Client
	base     *url.URL // of the job API
	agent    string
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
	client := &http.Client{Transport: transport, Timeout: cmp.Or(o.Timeout, time.Hour), CheckRedirect: keepRedirect}
	observe := o.Observe
	if observe == nil {
		observe = func(Exchange) {}
	}
	return &Client{
		observe: observe, http: client, base: base.JoinPath("api/v4/"), agent: cmp.Or(o.UserAgent, agent),
		token: o.Token, systemID: o.SystemID, info: info, logger: logger,
	}, nil
}

// baseURL cleans the configured address: trailing slashes, the legacy suffix /ci and the API's own path are dropped, other paths stay.
func baseURL(configured string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(configured))
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("url %q must look like https://gitlab.example.com", u.Redacted())
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	u.Path = strings.TrimRight(u.Path, "/")
	for _, suffix := range []string{"/ci", "/api/v4"} {
		u.Path = strings.TrimRight(strings.TrimSuffix(u.Path, suffix), "/")
	}
	return u, nil
}

// keepRedirect hands a redirect to the caller: following it would turn a POST into a GET, and send tokens along.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// call is one request to the job API.
type call struct {
	method, path string // of plain letters, below api/v4
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
	exchange := func(body io.Reader) (answer, error) {
		req, err := r.request(ctx, c.base, body)
		if err != nil {
			return answer{}, fmt.Errorf("make the request: %w", err)
		}
		req.Header.Set("User-Agent", c.agent)
		resp, err := c.http.Do(req)
		if err != nil {
			return answer{}, explainClock(err, time.Now())
		}
		defer resp.Body.Close()
		return r.read(resp)
	}
	if r.stream != nil {
		return streamed(r.stream, exchange)
	}
	body := r.raw
	if r.json != nil {
		var err error
		if body, err = json.Marshal(r.json); err != nil {
			return answer{}, fmt.Errorf("make the request: %w", err)
		}
	}
	return exchange(bytes.NewReader(body))
}

// request is the call as HTTP has it, to the job API below base.
func (r call) request(ctx context.Context, base *url.URL, body io.Reader) (*http.Request, error) {
	to := r.to
	if to == nil {
		to = base.JoinPath(r.path)
		to.RawQuery = r.query
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to.String(), body)
	if err != nil {
		return nil, err
	}
	if r.json != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Request-Id", requestID())
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	return req, nil
}

// maxAnswer bounds what is kept of an answer, in bytes. The payload of a job has some kilobytes, or megabytes where it has many
// variables; what a proxy may send that has gone wrong has no end, and a small board no memory for it.
const maxAnswer = 32 << 20

// read reads an answer to its end. What was received until an error is returned with it.
func (r call) read(resp *http.Response) (a answer, err error) {
	sent := resp.Request
	a = answer{status: resp.StatusCode, header: resp.Header, from: sent.URL, requestID: sent.Header.Get("X-Request-Id"), tls: resp.TLS}
	if r.sink != nil && a.status == http.StatusOK {
		_, err = io.Copy(r.sink, resp.Body)
	} else {
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err == nil && len(a.body) == maxAnswer {
			err = fmt.Errorf("it is longer than %d MiB", maxAnswer>>20)
		}
	}
	if err != nil {
		return a, fmt.Errorf("read the answer: %w", err)
	}
	return a, nil
}

// requestID returns a random id for the server's logs, of a UUID's length without its dashes.
func requestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
