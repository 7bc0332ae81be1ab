package session

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echo is a shell that prints what is typed, and ends by "exit".
type echo struct {
	*io.PipeReader
	to    *io.PipeWriter
	sizes chan string
}

func newEcho() *echo {
	r, w := io.Pipe()
	return &echo{r, w, make(chan string, 10)}
}

func (e *echo) Write(p []byte) (int, error) {
	if string(p) == "exit" {
		return len(p), e.to.Close()
	}
	return e.to.Write(p)
}

func (e *echo) Close() error { return errors.Join(e.PipeReader.Close(), e.to.Close()) }

func (e *echo) Resize(_ context.Context, rows, columns uint) error {
	e.sizes <- fmt.Sprintf("%dx%d", rows, columns)
	return nil
}

func newServer(t *testing.T, timeout time.Duration) *Server {
	t.Helper()
	// The address must be known before the certificate is made for it.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	s, err := Listen(Options{Listen: address, Timeout: timeout, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop(nil)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

// dial connects as Workhorse does, but with any change of the request.
func dial(t *testing.T, s *Session, protocol string, change func(h http.Header) string) (*websocket.Conn, int) {
	t.Helper()
	url, certificate, authorization := s.Address()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(certificate)) {
		t.Fatal("no certificate")
	}
	header := http.Header{"Authorization": {authorization}}
	suffix := "/exec"
	if change != nil {
		suffix = change(header)
	}
	conn, res, err := websocket.Dial(t.Context(), strings.Replace(url, "https://", "wss://", 1)+suffix, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		HTTPHeader: header, Subprotocols: []string{protocol},
	})
	if err != nil && res == nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, res.StatusCode
}

// until reads messages until their bytes contain text.
func until(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	var all []byte
	for !bytes.Contains(all, []byte(text)) {
		kind, p, err := conn.Read(t.Context())
		if err != nil {
			t.Fatalf("waiting for %q: %v; so far %q", text, err, all)
		}
		if kind == websocket.MessageText {
			if p, err = base64.StdEncoding.DecodeString(string(p)); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, p...)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	s := newServer(t, time.Hour)
	for _, protocol := range []string{binaryProtocol, base64Protocol} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			one, shell := s.Open(), newEcho()
			defer one.Close()
			one.Offer(func(context.Context) (Shell, error) { return shell, nil })
			conn, status := dial(t, one, protocol, nil)
			if status != http.StatusSwitchingProtocols || conn.Subprotocol() != protocol {
				t.Fatalf("status %d, protocol %q", status, conn.Subprotocol())
			}
			send := func(text string) {
				kind, p := websocket.MessageBinary, []byte(text)
				if protocol == base64Protocol {
					kind, p = websocket.MessageText, []byte(base64.StdEncoding.EncodeToString(p))
				}
				if err := conn.Write(t.Context(), kind, p); err != nil {
					t.Fatal(err)
				}
			}
			until(t, conn, askSize)
			send("\x1b[24;132R")
			send("bytes \xff\x00 of any kind")
			until(t, conn, "bytes \xff\x00 of any kind")
			send("\x1b[48;50;200;800;1600tand keys")
			until(t, conn, "and keys")
			if first, second := <-shell.sizes, <-shell.sizes; first != "24x132" || second != "50x200" {
				t.Errorf("sizes %s, %s", first, second)
			}
			if _, status := dial(t, one, protocol, nil); status != http.StatusLocked {
				t.Errorf("a second user gets status %d", status)
			}
			send("exit")
			if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("the end of the shell: %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, time.Hour)
	one := s.Open()
	url, certificate, authorization := one.Address()
	for name, change := range map[string]struct {
		change func(h http.Header) string
		want   int
	}{
		"wrong secret":     {func(h http.Header) string { h.Set("Authorization", authorization+"x"); return "/exec" }, http.StatusUnauthorized},
		"no secret":        {func(h http.Header) string { h.Del("Authorization"); return "/exec" }, http.StatusUnauthorized},
		"no such session":  {func(http.Header) string { return "x/exec" }, http.StatusNotFound},
		"no such terminal": {func(http.Header) string { return "/proxy/build/80" }, http.StatusNotFound},
	} {
		if _, status := dial(t, one, binaryProtocol, change.change); status != change.want {
			t.Errorf("%s: status %d, want %d", name, status, change.want)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/exec", nil)
	request.Header.Set("Authorization", authorization)
	res, err := (&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("no websocket: status %d", res.StatusCode)
	}

	one.Offer(func(context.Context) (Shell, error) { return nil, errors.New("the container does not run") })
	if _, status := dial(t, one, binaryProtocol, nil); status != http.StatusServiceUnavailable {
		t.Errorf("without a container: status %d", status)
	}
	one.Close()
	if _, status := dial(t, one, binaryProtocol, nil); status != http.StatusNotFound {
		t.Errorf("after the job: status %d", status)
	}
}

func TestTextIsNotBinary(t *testing.T) {
	t.Parallel()
	one := newServer(t, time.Hour).Open()
	one.Offer(func(context.Context) (Shell, error) { return newEcho(), nil })
	conn, _ := dial(t, one, binaryProtocol, nil)
	until(t, conn, askSize)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("ls")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
		t.Errorf("the answer to a text message: %v", err)
	}
}

// TestWait: a job that has ended waits for its user, until the user goes, session_timeout is over, or the job ends.
func TestWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		timeout time.Duration
		act     func(conn *websocket.Conn, end context.CancelCauseFunc)
		say     string
		closed  string // part of what the user is told
	}{
		{"the user goes", time.Hour, func(conn *websocket.Conn, _ context.CancelCauseFunc) { conn.CloseNow() }, "will time out in 1h0m0s...\nTerminal disconnected\n", ""},
		{"time is over", 10 * time.Millisecond, func(*websocket.Conn, context.CancelCauseFunc) {}, "will time out in 0s...\nterminal session timed out", "timed out"},
		{"the job ends", time.Hour, func(_ *websocket.Conn, end context.CancelCauseFunc) { end(errors.New("canceled by GitLab")) }, "will time out in 1h0m0s...\n", "canceled by GitLab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			one := newServer(t, test.timeout).Open()
			one.Offer(func(context.Context) (Shell, error) { return newEcho(), nil })
			conn, _ := dial(t, one, binaryProtocol, nil)
			until(t, conn, askSize)
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			var said bytes.Buffer
			var wg sync.WaitGroup
			wg.Go(func() { one.Wait(ctx, func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }) })
			test.act(conn, end)
			wg.Wait()
			if !strings.Contains(said.String(), test.say) {
				t.Errorf("the log says %q, want %q", said.String(), test.say)
			}
			_, _, err := conn.Read(t.Context())
			if test.closed != "" && (websocket.CloseStatus(err) != websocket.StatusGoingAway || !strings.Contains(err.Error(), test.closed)) {
				t.Errorf("the user was told: %v", err)
			}
			if test.closed != "" {
				if _, status := dial(t, one, binaryProtocol, nil); status != http.StatusServiceUnavailable {
					t.Errorf("who comes afterwards gets status %d", status)
				}
			}
		})
	}
	// Nobody is connected: nothing to wait for.
	newServer(t, time.Hour).Open().Wait(t.Context(), func(format string, args ...any) { t.Errorf(format, args...) })
	(*Session)(nil).Wait(t.Context(), t.Errorf)
}

func TestWaitKeepsTimeForTheRest(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]string{time.Hour: "30m0s", 20 * time.Minute: "15m0s", 4 * time.Minute: "2m0s"} {
		one := &Session{server: &Server{options: Options{Timeout: 30 * time.Minute}}, user: &user{gone: make(chan struct{})}}
		close(one.user.gone)
		ctx, cancel := context.WithTimeoutCause(t.Context(), left, nil)
		var said string
		one.Wait(ctx, func(format string, args ...any) { said += fmt.Sprintf(format, args...) })
		cancel()
		if !strings.Contains(said, "in "+want+"...") {
			t.Errorf("%v left: %s, want %s", left, said, want)
		}
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct{ listen, advertise, want string }{
		{taken.Addr().String(), "", "choose another listen_address"},
		{"127.0.0.1:0", "board.example.com", "advertise_address of [session_server] must look like"},
	} {
		if _, err := Listen(Options{Listen: test.listen, Advertise: test.advertise}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s: %v", test.listen, test.advertise, err)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ls\r":                               "ls\r 0x0",
		"\x1b[50;200R":                       " 50x200",
		"l\x1b[50;200Rs":                     "ls 50x200",
		"\x1b[1;2R":                          "\x1b[1;2R 0x0", // F3
		"\x1b[48;50;200;0;0t\x1b[24;80Rls":   "ls 50x200",
		"\x1b[99999;1R":                      "\x1b[99999;1R 0x0",
		"\x1b[50;":                           "\x1b[50; 0x0",
		"\x1b[24;80R\x1b[25;81R":             "\x1b[25;81R 24x80",
		strings.Repeat("\x1b[", 1000) + "1R": strings.Repeat("\x1b[", 1000) + "1R 0x0",
	} {
		rest, rows, columns := (&sizes{}).take([]byte(in))
		if got := fmt.Sprintf("%s %dx%d", rest, rows, columns); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
