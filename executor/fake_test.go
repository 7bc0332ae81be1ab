package executor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fakeEngine is an engine that speaks HTTP and answers what handle says; the path is without the API version.
func fakeEngine(t *testing.T, handle http.HandlerFunc) *Engine {
	t.Helper()
	return fakeEngineWith(t, func(http.ResponseWriter, *http.Request) bool { return false }, handle)
}

// fakeEngineWith asks first about every call, pings included, whether it was dealt with.
func fakeEngineWith(t *testing.T, first func(http.ResponseWriter, *http.Request) bool, handle http.HandlerFunc) *Engine {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first(w, r) {
			return
		}
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			w.Header().Set("Api-Version", "1.41")
			w.Header().Set("Ostype", "linux")
			return
		}
		if rest, ok := strings.CutPrefix(r.URL.Path, "/v1.41"); ok {
			r.URL.Path = rest
		}
		w.Header().Set("Content-Type", "application/json")
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	e, err := Connect(t.Context(), Connection{Host: "tcp://" + strings.TrimPrefix(server.URL, "http://"), Owner: "s_test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// refuse answers as the engine does when it cannot do something.
func refuse(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q}`, message)
}

// lines is a Section that keeps the executor's own lines.
type lines struct {
	discard
	mu   sync.Mutex
	text []string
}

func (l *lines) Plain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprintf(format, args...))
}
