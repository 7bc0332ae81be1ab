package helper

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"lced-runner/jobapi"
)

// GitLab is how the stages that move artifacts reach the server: as the runner itself does.
type GitLab struct {
	URL string `json:"url"`
	// CACertPEM, ClientCertPEM and ClientKeyPEM are empty if unset.
	CACertPEM     []byte `json:"ca_cert_pem,omitempty"`
	ClientCertPEM []byte `json:"client_cert_pem,omitempty"`
	ClientKeyPEM  []byte `json:"client_key_pem,omitempty"`
	UserAgent     string `json:"user_agent,omitempty"`
	// Timeout is for one upload, ResponseTimeout from its end to the answer; 0 is gitlab-runner's default.
	Timeout         time.Duration `json:"timeout,omitempty"`
	ResponseTimeout time.Duration `json:"response_timeout,omitempty"`
}

// client connects to the server. The certificates go into privateDir, which must outlive the client.
func (g *GitLab) client(privateDir string, env map[string]string) (*jobapi.Client, error) {
	o := jobapi.Options{URL: g.URL, UserAgent: g.UserAgent, Timeout: g.Timeout, ResponseHeaderTimeout: g.ResponseTimeout}
	for _, file := range []struct {
		content []byte
		name    string
		path    *string
	}{
		{g.CACertPEM, "ca.pem", &o.TLSCAFile},
		{g.ClientCertPEM, "client.pem", &o.TLSCertFile},
		{g.ClientKeyPEM, "client-key.pem", &o.TLSKeyFile},
	} {
		if len(file.content) == 0 {
			continue
		}
		*file.path = filepath.Join(privateDir, file.name)
		if err := writeFresh(*file.path, file.content, 0o600); err != nil {
			return nil, fmt.Errorf("certificate for GitLab: %w", err)
		}
	}
	if err := obeyProxies(env); err != nil {
		return nil, err
	}
	client, err := jobapi.New(o)
	if err != nil {
		return nil, fmt.Errorf("connect to GitLab: %w", err)
	}
	return client, nil
}

// artifacts is one of the stages that move artifacts at work.
type artifacts struct {
	*stage
	client *jobapi.Client
	env    jobEnvironment
}

// withArtifacts calls do with a connection to the server.
func withArtifacts(s *stage, g *GitLab, do func(artifacts) error) error {
	// A job that made its project directory a link cannot have us read or write elsewhere.
	if err := realDir(s.BuildsDir, s.ProjectDir); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "artifacts-")
	if err != nil {
		return fmt.Errorf("create a directory for certificates: %w", err)
	}
	defer os.RemoveAll(dir)
	env := s.jobEnvironment()
	client, err := g.client(dir, env)
	if err != nil {
		return err
	}
	return do(artifacts{stage: s, client: client, env: env})
}

// retrying tells the user why a transfer takes longer.
func (s artifacts) retrying(err error, wait time.Duration) {
	warning(s.out, "WARNING: %v. Trying again in %v...", err, wait)
}

// progress tells every ten seconds how much of a transfer is done, so that nobody takes a slow line for a dead one.
type progress struct {
	log   io.Writer
	text  string // with one verb for what is done
	done  int64  // bytes
	since time.Time
}

func (p *progress) Write(b []byte) (int, error) {
	const interval = 10 * time.Second
	p.done += int64(len(b))
	switch {
	case p.since.IsZero():
		p.since = time.Now()
	case time.Since(p.since) >= interval:
		p.since = time.Now()
		fmt.Fprintf(p.log, p.text+"\n", byteCount(p.done))
	}
	return len(b), nil
}

// byteCount writes a number of bytes for people.
func byteCount(n int64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
