package jobapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const content = "the bytes of an archive"

// upload sends content as archive.zip and returns how often Retry was called.
func upload(ctx context.Context, client *Client, u Upload) (retries int, err error) {
	u.Name, u.Format, u.Type = "archive.zip", "zip", "archive"
	if u.Write == nil {
		u.Write = func(w io.Writer) error { _, err := io.WriteString(w, content); return err }
	}
	u.Retry = func(error, time.Duration) { retries++ }
	err = client.UploadArtifact(ctx, 7, jobToken, u)
	return retries, err
}

// Checklist 13.
func TestUploadOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 503}, reply{status: 201})
		if _, err := upload(t.Context(), client, Upload{ExpireIn: "1 week"}); err != nil {
			t.Fatal(err)
		}
		requests := fake.requests()
		if len(requests) != 2 {
			t.Fatalf("%d requests, want 2", len(requests))
		}
		for _, r := range requests {
			if r.uri != "/api/v4/jobs/7/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+week" {
				t.Errorf("address %s", r.uri)
			}
			if r.header.Get("Job-Token") != jobToken.Reveal() || r.header.Get("Expect") != "100-continue" {
				t.Errorf("headers %v", r.header)
			}
			_, parameters, err := mime.ParseMediaType(r.header.Get("Content-Type"))
			if err != nil {
				t.Fatal(err)
			}
			form := multipart.NewReader(strings.NewReader(r.body), parameters["boundary"])
			part, err := form.NextPart()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(part)
			if err != nil || string(got) != content || part.FormName() != "file" || part.FileName() != "archive.zip" {
				t.Errorf("part %s, file %s: %q, %v", part.FormName(), part.FileName(), got, err)
			}
			if _, err := form.NextPart(); err != io.EOF {
				t.Errorf("a second part: %v", err)
			}
		}
	})
}

func TestUploadReplies(t *testing.T) {
	t.Parallel()
	moved := reply{status: 307, header: map[string]string{"Location": "http://other.example.com/somewhere?else=1"}}
	for name, test := range map[string]struct {
		replies  []reply
		requests int
		retries  int
		want     string // in the error; empty: none
	}{
		"stored":            {[]reply{{status: 201}}, 1, 0, ""},
		"forbidden":         {[]reply{{status: 403}}, 1, 0, "the job has ended in GitLab"},
		"too large":         {[]reply{{status: 413}}, 1, 0, "larger than this GitLab allows"},
		"duplicate":         {[]reply{{status: 400, body: `{"message":"another artifact of the same type already exists"}`}}, 3, 2, "another artifact of the same type already exists"},
		"overloaded":        {[]reply{{status: 503}}, 30, 5, "503"}, // five attempts in each of six tries
		"disabled":          {[]reply{{status: 405}}, 3, 2, "switched off"},
		"old proxy":         {[]reply{{status: 417}, {status: 201}}, 2, 1, ""},
		"no answer":         {[]reply{{}}, 3, 2, "EOF"},
		"no answer at once": {[]reply{{}, {status: 201}}, 2, 1, ""},
		"moved":             {[]reply{moved, {status: 201}}, 2, 1, ""},
		"moved for ever":    {[]reply{moved}, 3, 2, "moves the upload to other.example.com"},
		"moved to nowhere":  {[]reply{{status: 307}}, 3, 2, "does not say where to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, fake := start(t, Options{}, test.replies...)
				retries, err := upload(t.Context(), client, Upload{})
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if n := len(fake.requests()); n != test.requests || retries != test.retries {
					t.Errorf("%d requests and %d retries, want %d and %d", n, retries, test.requests, test.retries)
				}
			})
		})
	}
}

func TestUploadMovesToAnotherHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{URL: "http://gitlab.example.com/sub"},
			reply{status: 307, header: map[string]string{"Location": "http://other.example.com:81/ignored?query"}}, reply{status: 201})
		if _, err := upload(t.Context(), client, Upload{}); err != nil {
			t.Fatal(err)
		}
		second := fake.requests()[1]
		if second.host != "other.example.com:81" || second.uri != "/sub/api/v4/jobs/7/artifacts?artifact_format=zip&artifact_type=archive" {
			t.Errorf("the second request goes to %s%s", second.host, second.uri)
		}
	})
}

// TestUploadWithoutContent is about files that cannot be read: no other try is made.
func TestUploadWithoutContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 201})
		damaged := errors.New("input/output error")
		retries, err := upload(t.Context(), client, Upload{Write: func(w io.Writer) error {
			_, _ = io.WriteString(w, content)
			return damaged
		}})
		if !errors.Is(err, damaged) || retries != 0 || len(fake.requests()) > 1 {
			t.Errorf("error %v after %d retries", err, retries)
		}
	})
}

// TestRefusedUploadIsNotSent lets the server refuse before it reads the body, which is written nowhere then.
func TestRefusedUploadIsNotSent(t *testing.T) {
	t.Parallel()
	sent := int64(0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }))
	defer server.Close()
	client, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = upload(t.Context(), client, Upload{Write: func(w io.Writer) error {
		n, err := io.CopyN(w, zeros{}, 1<<40)
		sent = n
		return err
	}})
	if err == nil || !strings.Contains(err.Error(), "413") || sent > 1<<20 {
		t.Errorf("error %v after %d bytes", err, sent)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestUploadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := start(t, Options{}, reply{status: 201, hold: time.Hour})
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, gone)
		defer cancel()
		if _, err := upload(ctx, client, Upload{}); !errors.Is(err, gone) {
			t.Errorf("error %v", err)
		}
	})
}

// download fetches into a file and returns what is in it.
func download(t *testing.T, client *Client, direct bool) (got string, retries int, err error) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "artifacts.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = client.DownloadArtifact(t.Context(), 7, jobToken, Download{Into: file, Direct: direct, Retry: func(error, time.Duration) { retries++ }})
	text, errRead := os.ReadFile(file.Name())
	if errRead != nil {
		t.Fatal(errRead)
	}
	return string(text), retries, err
}

func TestDownloadReplies(t *testing.T) {
	t.Parallel()
	storage := reply{status: 302, header: map[string]string{"Location": "http://storage.example.com/a.zip?X-Amz-Signature=geheim"}}
	for name, test := range map[string]struct {
		replies []reply
		uris    []string // of the requests, without what they have in common
		want    string   // in the error; empty: none
	}{
		"ok":             {[]reply{{status: 200, body: content}}, []string{"?direct_download=true"}, ""},
		"unauthorized":   {[]reply{{status: 401}}, []string{"?direct_download=true"}, "job token permissions"},
		"forbidden":      {[]reply{{status: 403}}, []string{"?direct_download=true"}, "job token permissions"},
		"missing":        {[]reply{{status: 404}}, []string{"?direct_download=true"}, "expired or were deleted"},
		"storage":        {[]reply{storage, {status: 200, body: content}}, []string{"?direct_download=true", "storage"}, ""},
		"broken storage": {[]reply{storage, {status: 400}, {status: 200, body: content}}, []string{"?direct_download=true", "storage", ""}, ""},
		"silent storage": {[]reply{storage, {}, {status: 200, body: content}}, []string{"?direct_download=true", "storage", ""}, ""},
		"cut for ever":   {[]reply{storage, {status: 200, body: "half of", cut: true}}, []string{"?direct_download=true", "storage", "", ""}, "EOF"},
		"cut":            {[]reply{{status: 200, body: "half of", cut: true}, {status: 200, body: content}}, []string{"?direct_download=true", ""}, ""},
		"bad for ever":   {[]reply{{status: 400}}, []string{"?direct_download=true", "", ""}, "400"},
		"nowhere":        {[]reply{{status: 302}}, []string{"?direct_download=true", "", ""}, "does not say where to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, fake := start(t, Options{}, test.replies...)
				got, _, err := download(t, client, true)
				switch {
				case test.want == "" && (err != nil || got != content):
					t.Errorf("got %q, error %v", got, err)
				case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "geheim")):
					t.Errorf("error %v, want %q", err, test.want)
				}
				requests := fake.requests()
				if len(requests) != len(test.uris) {
					t.Fatalf("%d requests, want %d", len(requests), len(test.uris))
				}
				for i, r := range requests {
					uri, token := "http://localhost/api/v4/jobs/7/artifacts"+test.uris[i], jobToken.Reveal()
					if test.uris[i] == "storage" {
						uri, token = "http://storage.example.com/a.zip?X-Amz-Signature=geheim", ""
					}
					if "http://"+r.host+r.uri != uri || r.header.Get("Job-Token") != token {
						t.Errorf("request %d to %s%s with the token %q", i, r.host, r.uri, r.header.Get("Job-Token"))
					}
				}
			})
		})
	}
}

func TestDownloadRedirectsInCircles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 307, header: map[string]string{"Location": "/api/v4/jobs/7/artifacts"}})
		if _, _, err := download(t, client, false); err == nil || !strings.Contains(err.Error(), "more than 10 times") {
			t.Errorf("error %v", err)
		}
		for _, r := range fake.requests() {
			if r.header.Get("Job-Token") == "" {
				t.Error("the same host does not get the token again")
			}
		}
	})
}
