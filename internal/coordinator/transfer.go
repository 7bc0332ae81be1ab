package coordinator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// transfers serves the artifact calls. Unlike those of api their bodies are streams.
type transfers struct{ board *board }

// disturb applies a fault and says whether the call is over.
func (t *transfers) disturb(endpoint Endpoint, w http.ResponseWriter, r *http.Request) (fault *Fault, over bool) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	fault = t.board.nextFault(endpoint, id)
	return fault, fault.apply(r.Context(), w)
}

// upload takes an artifact from the job that made it.
func (t *transfers) upload(w http.ResponseWriter, r *http.Request) {
	fault, over := t.disturb(EndpointUpload, w, r)
	if over {
		return
	}
	out := t.store(r)
	if fault.spoil(r.Context()) {
		hangUp(w)
		return
	}
	out.write(w)
}

func (t *transfers) store(r *http.Request) reply {
	b := t.board
	call := fmt.Sprintf("POST /jobs/%s/artifacts", r.PathValue("id"))
	b.mu.Lock()
	j, out, ok := b.contact(call, r, "")
	var announced Artifact
	if ok {
		announced = b.checkUploadQuery(call, j, r)
	}
	b.mu.Unlock()
	if !ok {
		return out
	}
	stored, err := t.receive(r)
	switch {
	case errors.Is(err, errTooLarge):
		return replyJSON(http.StatusRequestEntityTooLarge, message("413 Request Entity Too Large"))
	case errors.Is(err, io.ErrUnexpectedEOF): // given up on the way, as is right where a file turns out to be unreadable
		return replyJSON(http.StatusBadRequest, message("400 Bad request"))
	case err != nil:
		b.lockedBreach("%s: %v", call, err)
		return replyJSON(http.StatusBadRequest, message("400 Bad request"))
	}
	announced.Filename, announced.Size = stored.Filename, stored.Size
	stored.Artifact = announced
	if err := checkArtifact(stored); err != nil {
		b.lockedBreach("%s: the %s is damaged: %v", call, stored.Format, err)
		return replyJSON(http.StatusBadRequest, message("400 Bad request"))
	}
	return t.keep(call, r, stored)
}

// keep adds a whole artifact to its job.
func (t *transfers) keep(call string, r *http.Request, stored *artifact) reply {
	b := t.board
	var dotenv []Variable
	if stored.Type == typeDotenv {
		var err error
		if dotenv, err = readDotenv(stored); err != nil {
			return replyJSON(http.StatusBadRequest, message(err.Error()))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	j, out, ok := b.contact(call, r, "") // the job may have ended meanwhile
	if !ok {
		return out
	}
	out.status = http.StatusCreated
	if known := j.artifact(stored.Type); known != nil {
		if known.sha256 != stored.sha256 {
			out.status, out.body = http.StatusBadRequest, message("another artifact of the same type already exists")
		}
		return out
	}
	j.artifacts = append(j.artifacts, stored)
	j.dotenv = append(j.dotenv, dotenv...)
	b.notify()
	return out
}

// checkUploadQuery looks at the parameters, which belong into the query, and compares them with the job's payload.
func (r *referee) checkUploadQuery(call string, j *job, request *http.Request) Artifact {
	query := request.URL.Query()
	for name, values := range query {
		switch {
		case name != "artifact_format" && name != "artifact_type" && name != "expire_in":
			r.breach("%s: unknown parameter %s", call, name)
		case len(values) != 1 || values[0] == "":
			r.breach("%s: parameter %s is empty or repeated", call, name)
		}
	}
	a := Artifact{Type: query.Get("artifact_type"), Format: query.Get("artifact_format"), ExpireIn: query.Get("expire_in")}
	for _, entry := range j.wanted {
		if entry == a {
			return a
		}
	}
	r.breach("%s: no artifact of the job has type %q, format %q and expire_in %q", call, a.Type, a.Format, a.ExpireIn)
	return a
}

// receive reads the one part of the body.
func (t *transfers) receive(r *http.Request) (*artifact, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	part, err := form.NextPart()
	if err != nil {
		return nil, fmt.Errorf("read the first part: %w", err)
	}
	name := part.FileName()
	switch {
	case part.FormName() != "file":
		return nil, fmt.Errorf("the part is named %q, want file", part.FormName())
	case name == "" || rawFileName(part) != name:
		return nil, fmt.Errorf("file name %q is empty or has directories", rawFileName(part))
	case part.Header.Get("Content-Type") != "application/octet-stream":
		return nil, fmt.Errorf("Content-Type of the part is %q, want application/octet-stream", part.Header.Get("Content-Type"))
	}
	stored, err := storeArtifact(part, t.board.options.MaxArtifact)
	if err != nil {
		return nil, err
	}
	stored.Filename = name
	if _, err := form.NextPart(); err != io.EOF {
		stored.file.Close()
		return nil, fmt.Errorf("after the first part: %v, want its end", err)
	}
	return stored, nil
}

// rawFileName is the file name as it was sent; FileName would drop directories.
func rawFileName(part *multipart.Part) string {
	_, after, _ := strings.Cut(part.Header.Get("Content-Disposition"), `filename="`)
	name, _, _ := strings.Cut(after, `"`)
	return name
}

// download gives the archive of a job to a later one, or sends it to the storage.
func (t *transfers) download(w http.ResponseWriter, r *http.Request) {
	fault, over := t.disturb(EndpointDownload, w, r)
	if over {
		return
	}
	if fault.spoil(r.Context()) {
		hangUp(w)
		return
	}
	b := t.board
	call := fmt.Sprintf("GET /jobs/%s/artifacts", r.PathValue("id"))
	direct := r.URL.RawQuery == "direct_download=true"
	if !direct && r.URL.RawQuery != "" {
		b.lockedBreach("%s: query %q, want direct_download=true or none", call, r.URL.RawQuery)
	}
	archive, refusal := t.findArchive(call, r)
	switch {
	case archive == nil:
		refusal.write(w)
	case direct && b.options.StorageURL != "":
		http.Redirect(w, r, b.options.StorageURL+"/artifacts.zip?X-Amz-Signature="+t.sign(archive), http.StatusFound)
	default:
		serveArchive(w, r, archive)
	}
}

// findArchive gives the archive that a call may have, or the answer.
func (t *transfers) findArchive(call string, r *http.Request) (*artifact, reply) {
	b := t.board
	b.mu.Lock()
	defer b.mu.Unlock()
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	j, known := b.jobs[id]
	if known && r.Header.Get("Job-Token") != j.Token {
		b.breach("%s: not the token of the dependency", call)
		return nil, replyJSON(http.StatusForbidden, message("403 Forbidden"))
	}
	if known {
		if archive := j.artifact(typeArchive); archive != nil {
			return archive, reply{}
		}
	}
	return nil, replyJSON(http.StatusNotFound, message("404 Not Found"))
}

// sign makes the key with which the storage gives an archive away.
func (t *transfers) sign(archive *artifact) string {
	b := t.board
	b.mu.Lock()
	defer b.mu.Unlock()
	key := rand.Text()
	b.signed[key] = archive
	return key
}

func serveArchive(w http.ResponseWriter, r *http.Request, a *artifact) {
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, r, path.Base(a.Filename), time.Time{}, a.content())
}

// Storage is the object storage of Options.StorageURL, to be served by a listener of its own: it belongs to somebody else, who
// must not learn tokens.
func (s Artifacts) Storage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := s.board
		b.mu.Lock()
		for _, name := range []string{"Job-Token", "Private-Token", "Runner-Token", "Authorization"} {
			if r.Header.Get(name) != "" {
				b.breach("GET %s: the object storage is shown the header %s", r.URL.Path, name)
			}
		}
		archive, known := b.signed[r.URL.Query().Get("X-Amz-Signature")]
		b.mu.Unlock()
		if !known {
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return
		}
		serveArchive(w, r, archive)
	})
}
