package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHostHas: only an engine that says so has no such directory.
func TestHostHas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status   int
		message  string
		has, bad bool
	}{
		{status: http.StatusCreated, has: true},
		{status: http.StatusBadRequest, message: `invalid mount config for type "bind": bind source path does not exist: /etc/docker/certs.d`},
		{status: http.StatusForbidden, message: "authorization denied by plugin: no mounts"},
		{status: http.StatusInternalServerError, message: "no space left on device", bad: true},
		{status: http.StatusNotFound, message: "No such image: own", bad: true},
	} {
		e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/containers/create" && test.message != "" {
				refuse(w, test.status, test.message)
				return
			}
			fmt.Fprint(w, `{"Id":"c"}`)
		})
		has, err := e.containers.hostHas(t.Context(), "own", "/etc/docker/certs.d")
		if has != test.has || (err != nil) != test.bad || err != nil && !strings.Contains(err.Error(), test.message) {
			t.Errorf("%d %s: %v, %v", test.status, test.message, has, err)
		}
	}
}

// TestFactsOfAReload has an engine that reads its configuration again, then one whose stream of events breaks, then one that tells
// nobody: the facts are learnt anew where they may have changed, and only there.
func TestFactsOfAReload(t *testing.T) {
	t.Parallel()
	var mirror atomic.Value
	var refused atomic.Bool
	news := make(chan string)
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/events" && refused.Load():
			refuse(w, http.StatusForbidden, "not for you")
		case r.URL.Path == "/events":
			for {
				_ = http.NewResponseController(w).Flush()
				select {
				case text := <-news:
					if text == "" {
						return
					}
					fmt.Fprintln(w, text)
				case <-r.Context().Done():
					return
				}
			}
		case r.URL.Path == "/info":
			fmt.Fprintf(w, `{"Name":"board","RegistryConfig":{"Mirrors":[%q]}}`, mirror.Load())
		case strings.HasSuffix(r.URL.Path, "/attach"):
			says(t, w, `{"mtu":1500}`)
		default:
			fmt.Fprint(w, `{"Id":"c"}`)
		}
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	followed := make(chan error, 1)
	go func() { followed <- FollowReloads(ctx, e) }()
	defer cancel(nil)
	want := func(want string, patience time.Duration) {
		t.Helper()
		for late := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			f, err := e.Facts(t.Context(), "own", []string{"facts"})
			if err != nil {
				t.Fatal(err)
			}
			if f.Mirrors[0] == want {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("the mirror is %s, want %s", f.Mirrors[0], want)
			}
		}
	}
	mirror.Store("first")
	want("first", 0)
	mirror.Store("second")
	want("first", 0) // nobody has said that it changed
	news <- `{"Type":"daemon","Action":"reload"}`
	want("second", time.Minute)
	mirror.Store("third")
	news <- ""
	want("third", time.Minute)
	refused.Store(true)
	news <- ""
	if err := <-followed; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("an engine that tells nobody: %v", err)
	}
}

// says answers a call for a container's streams with its whole stdout.
func says(t *testing.T, w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\x01\x00\x00\x00\x00\x00\x00"+string(rune(len(text)))+text)
}
