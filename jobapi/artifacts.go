package jobapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"
)

// Upload is one artifact of a job.
type Upload struct {
	Name     string // file name, without directories
	Format   string // zip, gzip or raw
	Type     string // archive, junit, dotenv and others
	ExpireIn string // as the job says it; empty: the server's default

	// Write writes the artifact. It is called once for each attempt, and should write the same bytes each time: the server
	// takes a repeated upload for the same one only then.
	Write func(io.Writer) error
	// Retry is told of a failed try after which another follows.
	Retry func(err error, wait time.Duration)
}

// UploadArtifact sends an artifact. It returns once the server has it, or there is no hope: 401, 403, 404 and 413 end it at once, a
// server that is overloaded is tried six times, all else three times, with 1 to 5 s between the tries (job-api contract 7.2).
//
// Nothing is kept in memory or on disk: the server is asked first whether it wants the artifact, and what Write writes then goes
// straight to it.
func (c *Client) UploadArtifact(ctx context.Context, jobID int64, token Secret, u Upload) error {
	boundary := rand.Text()
	query := url.Values{}
	for name, value := range map[string]string{"artifact_format": u.Format, "artifact_type": u.Type, "expire_in": u.ExpireIn} {
		if value != "" {
			query.Set(name, value)
		}
	}
	r := call{
		method: http.MethodPost,
		path:   fmt.Sprintf("jobs/%d/artifacts", jobID),
		query:  query.Encode(),
		headers: map[string]string{
			"JOB-TOKEN":    token.Reveal(),
			"Content-Type": "multipart/form-data; boundary=" + boundary,
			"Expect":       "100-continue", // a refusal then costs neither network nor compression
		},
		stream: func(w io.Writer) error { return u.multipart(w, boundary) },
	}
	for try := 1; ; try++ {
		a, err := c.send(ctx, r)
		switch {
		case err != nil:
			err = withoutAddress(err)
		case a.status == http.StatusCreated:
			return nil
		case a.status == http.StatusTemporaryRedirect:
			if r.to, err = moved(a); err == nil {
				err = fmt.Errorf("gitlab moves the upload to %s", r.to.Host)
			}
		case a.status == http.StatusExpectationFailed: // an old proxy on the way
			delete(r.headers, "Expect")
			err = uploadError(a)
		default:
			err = uploadError(a)
		}
		wait, again := artifactDelay(a, err, try)
		if !again || ctx.Err() != nil {
			return fmt.Errorf("upload %s: %w", u.Name, err)
		}
		u.Retry(err, wait)
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("upload %s: %w", u.Name, err)
		}
	}
}

// multipart writes the artifact as the one part of a form.
func (u *Upload) multipart(w io.Writer, boundary string) error {
	form := multipart.NewWriter(w)
	if err := form.SetBoundary(boundary); err != nil {
		return err
	}
	part, err := form.CreateFormFile("file", u.Name)
	if err != nil {
		return err
	}
	if err := u.Write(part); err != nil {
		return err
	}
	return form.Close()
}

// moved is where a redirected upload goes: of the new address only scheme and host count (job-api contract 7.2).
func moved(a answer) (*url.URL, error) {
	to, err := a.from.Parse(a.header.Get("Location"))
	if err != nil || a.header.Get("Location") == "" {
		return nil, errors.New("gitlab redirects the upload, but does not say where to")
	}
	if a.from.Scheme == "https" && to.Scheme != "https" {
		return nil, fmt.Errorf("gitlab redirects the upload to %s://%s, where the job's token could be read on the way", to.Scheme, to.Host)
	}
	next := *a.from
	next.Scheme, next.Host = to.Scheme, to.Host
	return &next, nil
}

// uploadError adds what a user can do about a refused upload.
func uploadError(a answer) *StatusError {
	e := statusError(a)
	switch a.status {
	case http.StatusForbidden:
		e.reason = errors.New("the job has ended in GitLab, or its token may not upload")
	case http.StatusMethodNotAllowed:
		e.reason = errors.New("artifacts are switched off on this GitLab")
	case http.StatusRequestEntityTooLarge:
		e.reason = errors.New("the artifact is larger than this GitLab allows: upload less, or ask its administrator for a higher maximum artifacts size")
	}
	return e
}

// Download is what becomes of the artifacts archive of a job.
type Download struct {
	Into Target // emptied before each try
	// Direct lets the server redirect the first try to its object storage.
	Direct bool
	// Retry is told of a failed try after which another follows.
	Retry func(err error, wait time.Duration)
}

// Target is a file, or something like it.
type Target interface {
	io.WriteSeeker
	Truncate(size int64) error
}

// DownloadArtifact fetches the artifacts archive of the job that the token belongs to. 401, 403 and 404 end it at once, all
// else is tried three times (job-api contract 7.6).
func (c *Client) DownloadArtifact(ctx context.Context, jobID int64, token Secret, d Download) error {
	for try := 1; ; try++ {
		a, err := c.download(ctx, jobID, token, d.Into, d.Direct && try == 1)
		if err == nil {
			return nil
		}
		const tries, wait = 3, time.Second // gitlab-runner's
		if _, again := artifactDelay(a, err, try); !again || try == tries || ctx.Err() != nil {
			return fmt.Errorf("download artifacts: %w", err)
		}
		d.Retry(err, wait)
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("download artifacts: %w", err)
		}
	}
}

// download is one try.
func (c *Client) download(ctx context.Context, jobID int64, token Secret, into Target, direct bool) (answer, error) {
	if _, err := into.Seek(0, io.SeekStart); err != nil {
		return answer{}, &bodyError{err}
	}
	if err := into.Truncate(0); err != nil {
		return answer{}, &bodyError{err}
	}
	r := call{
		method:  http.MethodGet,
		path:    fmt.Sprintf("jobs/%d/artifacts", jobID),
		headers: map[string]string{"JOB-TOKEN": token.Reveal()},
		sink:    into,
	}
	if direct {
		r.query = "direct_download=true"
	}
	const maxRedirects = 10 // net/http's
	for range maxRedirects {
		a, err := c.send(ctx, r)
		switch {
		case err != nil:
			return a, withoutAddress(err)
		case a.status == http.StatusOK:
			return a, nil
		case a.status != http.StatusFound && a.status != http.StatusTemporaryRedirect:
			return a, downloadError(a)
		}
		to, err := a.from.Parse(a.header.Get("Location"))
		if err != nil || a.header.Get("Location") == "" {
			return a, errors.New("gitlab redirects the download, but does not say where to")
		}
		if to.Host != a.from.Host || to.Scheme != a.from.Scheme {
			delete(r.headers, "JOB-TOKEN") // the storage of another company, perhaps
		}
		r.to, r.query = to, to.RawQuery
	}
	return answer{}, fmt.Errorf("gitlab and its storage redirect the download more than %d times", maxRedirects)
}

// withoutAddress shortens an error of the network: users know where their GitLab is, and the address of a storage may hold a
// signature.
func withoutAddress(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// downloadError adds what a user can do about a refused download.
func downloadError(a answer) *StatusError {
	e := statusError(a)
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.reason = errors.New("the job has no access to these artifacts: check the job token permissions of their project")
	case http.StatusNotFound:
		e.reason = errors.New("the artifacts have expired or were deleted: run the job that makes them again")
	}
	return e
}

// bodyError says that a body could not be read or stored here, which the server has no part in.
type bodyError struct{ error }

func (e *bodyError) Unwrap() error { return e.error }

// streamed makes one exchange whose body is written by write while it is sent. It ends early where the server answers before it
// has the whole body.
func streamed(write func(io.Writer) error, exchange func(body io.Reader) (answer, error)) (answer, error) {
	source, end := io.Pipe()
	body := &watched{to: end}
	written := make(chan error, 1)
	go func() {
		err := write(body)
		end.CloseWithError(err)
		written <- err
	}()
	a, err := exchange(source)
	source.CloseWithError(errors.New("the server has answered"))
	if failed := <-written; err != nil && failed != nil && !body.cut {
		return a, &bodyError{failed}
	}
	return a, err
}

// watched is a writer that knows whether its reader has gone away.
type watched struct {
	to  io.Writer
	cut bool
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.cut = w.cut || err != nil
	return n, err
}
