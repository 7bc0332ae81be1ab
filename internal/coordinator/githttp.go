package coordinator

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path"
	"strings"
)

// maxChunkedBody bounds a git request of unknown length, which must be held in memory: CGI needs its length.
const maxChunkedBody = 64 << 20

// gitHandler serves the projects' repositories for reading, to whoever holds the token of a running job.
type gitHandler struct{ board *board }

func (g *gitHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dir, root, ok := g.find(r.URL.Path)
	if !ok {
		replyJSON(http.StatusNotFound, message("404 Not Found")).write(w)
		return
	}
	fault := g.board.nextFault(EndpointGit, 0)
	if fault.apply(r.Context(), w) {
		return
	}
	if !g.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		http.Error(w, "HTTP Basic: Access denied", http.StatusUnauthorized)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack" {
		http.Error(w, "You are not allowed to push code to this project.", http.StatusForbidden)
		return
	}
	if err := giveLength(r); err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	backend(w, r, dir, root)
}

// find splits /<base>/<group>/<project>.git/<rest> into the repository's directory and the part up to .git.
func (g *gitHandler) find(urlPath string) (dir, root string, ok bool) {
	below, inside := strings.CutPrefix(path.Clean(urlPath), g.board.base.Path+"/")
	name, _, isGit := strings.Cut(below, ".git/")
	if !inside || !isGit {
		return "", "", false
	}
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	p, ok := g.board.projects[name]
	if !ok || p.dir == "" {
		return "", "", false
	}
	return p.dir, g.board.base.Path + "/" + name + ".git", true
}

func (g *gitHandler) authorized(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok || user != "gitlab-ci-token" || password == "" {
		return false
	}
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	for _, j := range g.board.jobs {
		if j.Token == password && j.alive() {
			return true
		}
	}
	return false
}

// giveLength reads a chunked body, since CGI knows only bodies of a known length.
func giveLength(r *http.Request) error {
	if r.ContentLength >= 0 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxChunkedBody+1))
	if err != nil {
		return err
	}
	if len(body) > maxChunkedBody {
		return errors.New("request too large")
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return nil
}

// backend answers through git http-backend. Any commit may be asked for by its sha, as on GitLab. Ownership of the
// directory is not checked: the caller of Submit chose it, and serving a bare repository runs none of its hooks.
func backend(w http.ResponseWriter, r *http.Request, dir, root string) {
	program, err := exec.LookPath("git")
	if err != nil {
		http.Error(w, "git is not installed where the coordinator runs", http.StatusInternalServerError)
		return
	}
	handler := &cgi.Handler{
		Path: program,
		Args: []string{
			"-c", "uploadpack.allowAnySHA1InWant=true", "-c", "uploadpack.allowFilter=true", "-c", "safe.directory=*",
			"http-backend",
		},
		Root: root,
		Dir:  dir,
		Env: []string{
			"GIT_PROJECT_ROOT=" + dir,
			"GIT_HTTP_EXPORT_ALL=1",
			"GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"),
		},
		Logger: log.New(io.Discard, "", 0), // a client that hangs up is no news
		Stderr: io.Discard,
	}
	handler.ServeHTTP(w, r)
}
