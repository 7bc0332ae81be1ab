package plan

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"lced-runner/executor"
)

// wire is an engine that speaks HTTP, does all that it is asked, and writes down what that was: by the last word of a
// container's name, or network, volume, pull and remove. Services and the helper start, and what is to run in the helper does not end;
// the build container is refused when all containers have been created, which ends the job.
type wire struct {
	mu      sync.Mutex
	asked   map[string]string
	lacking int           // containers to be created
	created chan struct{} // closed when all are
	over    bool          // the build container was refused
}

// onTheWire runs a plan on such an engine.
func onTheWire(t *testing.T, p *executor.Plan) map[string]string {
	t.Helper()
	w := &wire{asked: map[string]string{}, lacking: 1 + len(p.Services), created: make(chan struct{})}
	if p.Helper != nil {
		w.lacking++
	}
	server := httptest.NewServer(w)
	defer server.Close()
	e, err := executor.Connect(t.Context(), executor.Connection{Host: "tcp://" + strings.TrimPrefix(server.URL, "http://"), Owner: "s_test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	job := e.NewJob(p, func(string, string) executor.Section { return quiet{} })
	if err := job.Run(t.Context(), t.Context()); err == nil || !strings.Contains(err.Error(), "executable file not found") {
		t.Fatalf("the job ended with %v before all its containers were created", err)
	}
	if err := job.Remove(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path := regexp.MustCompile(`^/v[0-9.]+`).ReplaceAllString(r.URL.Path, "")
	rw.Header().Set("Api-Version", "1.47")
	rw.Header().Set("Content-Type", "application/json")
	body, _ := io.ReadAll(r.Body)
	switch last := path[strings.LastIndex(path, "/")+1:]; {
	case path == "/containers/create":
		name := r.URL.Query().Get("name")
		w.note(regexp.MustCompile(`.*-([a-z]+)(-\d+)?$`).ReplaceAllString(name, "$1"), string(body))
		w.mu.Lock()
		if w.lacking--; w.lacking == 0 {
			close(w.created)
		}
		w.mu.Unlock()
		fmt.Fprintf(rw, `{"Id":%q}`, name)
	case path == "/networks/create":
		w.note("network", string(body))
		fmt.Fprint(rw, `{"Id":"n"}`)
	case path == "/volumes/create":
		w.note("volume", string(body))
		fmt.Fprint(rw, `{"Name":"v"}`)
	case path == "/images/create":
		w.note("pull", r.URL.RawQuery)
	case r.Method == http.MethodDelete && strings.HasPrefix(path, "/containers/"):
		w.note("remove", r.URL.RawQuery)
	case strings.HasPrefix(path, "/images/"):
		fmt.Fprint(rw, `{"Id":"sha256:1111","Os":"linux","Architecture":"arm64","Config":{}}`)
	case last == "json":
		fmt.Fprint(rw, `{"Id":"c","State":{"Running":true},"Config":{},"NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.9"},"lan":{"IPAddress":"10.1.0.9"}}}}`)
	case last == "attach":
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	case strings.HasSuffix(path, "-predefined/exec"):
		if !w.ended(false) {
			<-r.Context().Done()
		}
		notFound(rw)
	case strings.HasSuffix(path, "-build/start"):
		select {
		case <-w.created:
		case <-r.Context().Done():
		}
		w.ended(true)
		notFound(rw)
	default:
		fmt.Fprint(rw, `{}`)
	}
}

// ended reports whether the build container was refused; now says that it is.
func (w *wire) ended(now bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = w.over || now
	return w.over
}

func notFound(rw http.ResponseWriter) {
	rw.WriteHeader(http.StatusBadRequest)
	fmt.Fprint(rw, `{"message":"executable file not found"}`)
}

// note adds to what is known of one kind of request.
func (w *wire) note(kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[kind] += text + "\n"
}

// quiet is a section of a log that nobody reads.
type quiet struct{}

func (quiet) Stream(int) io.Writer { return io.Discard }
func (quiet) Plain(string, ...any) {}
func (quiet) Close() error         { return nil }
