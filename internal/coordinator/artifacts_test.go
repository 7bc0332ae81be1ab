package coordinator

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
)

// zipOf is a zip archive of files (name, content, name, content, ...).
func zipOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		f, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, files[i+1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipOf(text string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	io.WriteString(z, text)
	z.Close()
	return out.Bytes()
}

// form is a multipart body whose one part has this disposition.
func form(disposition string, content []byte) (body []byte, contentType string) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {"application/octet-stream"}})
	part.Write(content)
	w.Close()
	return out.Bytes(), w.FormDataContentType()
}

func (l *lease) upload(query string, content []byte) answer {
	l.t.Helper()
	body, kind := form(`form-data; name="file"; filename="artifacts.zip"`, content)
	return l.uploadForm(query, body, kind)
}

func (l *lease) uploadForm(query string, body []byte, kind string) answer {
	l.t.Helper()
	out, err := l.send("POST", fmt.Sprintf("/jobs/%d/artifacts?%s", l.id, query), bytes.NewReader(body), map[string]string{"Content-Type": kind, "Job-Token": l.token})
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

const asArchive = "artifact_format=zip&artifact_type=archive&expire_in=1+week"

func archiving() JobSpec {
	return JobSpec{Job: ciyaml.Job{Artifacts: &ciyaml.Artifacts{
		Paths: []string{"a"}, ExpireIn: "1 week", Reports: []ciyaml.Report{{Type: "dotenv", Format: "gzip", Paths: []string{".env"}}},
	}}}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	c := start(t, Options{MaxArtifact: 1000})
	l := c.lease(archiving())
	for _, step := range []struct {
		what    string
		content []byte
		want    int
	}{
		{"too large", bytes.Repeat([]byte("x"), 1001), http.StatusRequestEntityTooLarge},
		{"new", zipOf(t, "a", "content"), http.StatusCreated},
		{"the same again", zipOf(t, "a", "content"), http.StatusCreated},
		{"another of the type", zipOf(t, "a", "other"), http.StatusBadRequest},
	} {
		if out := l.upload(asArchive, step.content); out.status != step.want {
			t.Errorf("%s: %d, want %d", step.what, out.status, step.want)
		}
	}
	wantEqual(t, "artifacts", []Artifact{{Type: "archive", Format: "zip", Filename: "artifacts.zip", ExpireIn: "1 week", Size: int64(len(zipOf(t, "a", "content")))}},
		ArtifactsOf(c.server).List(l.id))
	l.put(StateSuccess, nil)
	if out := l.upload(asArchive, zipOf(t, "a", "content")); out.status != http.StatusForbidden {
		t.Errorf("after the end: %d", out.status)
	}
	c.wantViolations()
}

func TestUploadViolations(t *testing.T) {
	t.Parallel()
	good := zipOf(t, "a", "content")
	const disposition = `form-data; name="file"; filename="artifacts.zip"`
	for name, c := range map[string]struct {
		query, disposition string
		content            []byte
		want               string
	}{
		"unknown parameter": {asArchive + "&accessibility=x", disposition, good, "unknown parameter accessibility"},
		"empty parameter":   {asArchive + "&metadata=", disposition, good, "unknown parameter metadata"},
		"other type":        {"artifact_format=gzip&artifact_type=junit", disposition, gzipOf("x"), `no artifact of the job has type "junit"`},
		"no expire_in":      {"artifact_format=zip&artifact_type=archive", disposition, good, `expire_in ""`},
		"other field":       {asArchive, `form-data; name="archive"; filename="artifacts.zip"`, good, `the part is named "archive", want file`},
		"no file name":      {asArchive, `form-data; name="file"`, good, `file name "" is empty`},
		"directories":       {asArchive, `form-data; name="file"; filename="a/b.zip"`, good, `file name "a/b.zip" is empty or has directories`},
		"no zip":            {asArchive, disposition, []byte("PK nothing"), "the zip is damaged"},
		"cut zip":           {asArchive, disposition, good[:len(good)-5], "the zip is damaged"},
		"traversal":         {asArchive, disposition, zipOf(t, "../a", "x"), `name "../a" is not clean`},
		"absolute":          {asArchive, disposition, zipOf(t, "/a", "x"), `name "/a" is not clean`},
		"twice":             {asArchive, disposition, zipOf(t, "a", "x", "a", "y"), `name "a" comes twice`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			l := cl.lease(archiving())
			body, kind := form(c.disposition, c.content)
			l.uploadForm(c.query, body, kind)
			cl.wantViolations(c.want)
		})
	}
}

// TestDependencies runs pipelines whose jobs all upload, and looks at what the last one is told.
func TestDependencies(t *testing.T) {
	t.Parallel()
	const producers = "stages: [a, b, c]\nx: {stage: a, script: x, artifacts: {paths: [x]}}\nno: {stage: a, script: x}\ny: {stage: b, script: x, artifacts: {paths: [x]}}\n"
	for name, c := range map[string]struct{ job, want string }{
		"all of earlier stages": {"z: {stage: c, script: x}", "x:artifacts.zip no: y:artifacts.zip"},
		"dependencies":          {"z: {stage: c, script: x, dependencies: [y]}", "y:artifacts.zip"},
		"none":                  {"z: {stage: c, script: x, dependencies: []}", ""},
		"needs":                 {"z: {stage: c, script: x, needs: [x, {job: y, artifacts: false}]}", "x:artifacts.zip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			if _, err := cl.server.Submit(t.Context(), Submission{Pipeline: parse(t, producers+c.job+"\n")}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for {
				payload := cl.take()
				l := &lease{client: cl, id: int64(payload["id"].(float64)), token: payload["token"].(string)}
				l.put(StateRunning, nil)
				if payload["artifacts"] != nil {
					l.upload("artifact_format=zip&artifact_type=archive", zipOf(t, "x", "y"))
				}
				l.put(StateSuccess, nil)
				if payload["job_info"].(map[string]any)["name"] != "z" {
					continue
				}
				for _, entry := range payload["dependencies"].([]any) {
					d := entry.(map[string]any)
					file, _ := d["artifacts_file"].(map[string]any)
					filename, _ := file["filename"].(string)
					got = append(got, d["name"].(string)+":"+filename)
				}
				break
			}
			wantEqual(t, "dependencies", c.want, strings.Join(got, " "))
			cl.wantViolations()
		})
	}
}

func TestNeedsStartEarlier(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id, err := c.server.Submit(t.Context(), Submission{Pipeline: parse(t, `
stages: [a, b]
x: {stage: a, script: x}
slow: {stage: a, script: x}
y: {stage: b, script: x, needs: [x]}
w: {stage: b, script: x, needs: [gone]}
gone: {stage: a, script: x, when: on_failure}
`)})
	if err != nil {
		t.Fatal(err)
	}
	payload := c.take() // x
	l := &lease{client: c, id: int64(payload["id"].(float64)), token: payload["token"].(string)}
	l.put(StateRunning, nil)
	l.put(StateSuccess, nil)
	var got []string
	for _, j := range c.server.Jobs(id) {
		got = append(got, j.Name+"="+j.State)
	}
	wantEqual(t, "jobs", "x=success slow=pending gone=skipped y=pending w=pending", strings.Join(got, " "))
}

func TestDotenv(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	if _, err := c.server.Submit(t.Context(), Submission{Pipeline: parse(t, `
stages: [a, b]
x: {stage: a, script: x, artifacts: {reports: {dotenv: .env}}}
y: {stage: b, script: x, variables: {V: job}}
`)}); err != nil {
		t.Fatal(err)
	}
	payload := c.take()
	l := &lease{client: c, id: int64(payload["id"].(float64)), token: payload["token"].(string)}
	l.put(StateRunning, nil)
	const query = "artifact_format=gzip&artifact_type=dotenv"
	if out := l.upload(query, gzipOf("no variable")); out.status != http.StatusBadRequest || !bytes.Contains(out.body, []byte("Invalid Format")) {
		t.Errorf("an unreadable report: %d %s", out.status, out.body)
	}
	if out := l.upload(query, gzipOf("# comment\nV=1=2\n\nQ=\"a b\"\n")); out.status != http.StatusCreated {
		t.Errorf("report: %d %s", out.status, out.body)
	}
	l.put(StateSuccess, nil)
	last := map[string]string{}
	for _, v := range c.take()["variables"].([]any) {
		variable := v.(map[string]any)
		last[variable["key"].(string)] = variable["value"].(string)
	}
	wantEqual(t, "variables", map[string]string{"V": "1=2", "Q": "a b"}, map[string]string{"V": last["V"], "Q": last["Q"]})
	c.wantViolations()
}

func TestDownload(t *testing.T) {
	t.Parallel()
	storage := httptest.NewUnstartedServer(nil)
	c := start(t, Options{StorageURL: "http://" + storage.Listener.Addr().String()})
	storage.Config.Handler = ArtifactsOf(c.server).Storage()
	storage.Start()
	t.Cleanup(storage.Close)
	l := c.lease(archiving())
	content := zipOf(t, "a", "content")
	get := func(query, token string) answer {
		t.Helper()
		out, err := c.send("GET", fmt.Sprintf("/jobs/%d/artifacts%s", l.id, query), nil, map[string]string{"Job-Token": token})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := get("", l.token); out.status != http.StatusNotFound {
		t.Errorf("before the upload: %d", out.status)
	}
	l.upload(asArchive, content)
	l.put(StateSuccess, nil)
	if out := get("", l.token); out.status != http.StatusOK || !bytes.Equal(out.body, content) {
		t.Errorf("download: %d with %d bytes", out.status, len(out.body))
	}
	c.wantViolations()
	if out := get("", "glcbt-wrong"); out.status != http.StatusForbidden {
		t.Errorf("with another token: %d", out.status)
	}
	// The test's client follows the redirect with all its headers, as a runner must not.
	if out := get("?direct_download=true", l.token); out.status != http.StatusOK || !bytes.Equal(out.body, content) {
		t.Errorf("direct download: %d with %d bytes", out.status, len(out.body))
	}
	c.wantViolations("not the token of the dependency", "the object storage is shown the header Job-Token")
}
