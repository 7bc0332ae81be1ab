package helper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// listen opens a port on the loopback.
func listen(t *testing.T, address string) (port uint16) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

// closed is a port on the loopback that nobody listens on.
func closed(t *testing.T) (port uint16) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

// probe runs the prober and returns the list that it prints.
func probe(ctx context.Context, t *testing.T, timeout time.Duration, targets ...target) string {
	t.Helper()
	request, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Probe(ctx, timeout, string(request), &out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

func TestProbe(t *testing.T) {
	t.Parallel()
	// Within patient a port that is open answers on a busy machine, too.
	const long, short, patient = time.Hour, 10 * time.Millisecond, 3 * time.Second
	open, shut := listen(t, "127.0.0.1:0"), closed(t)
	one := func(host string, ports ...uint16) target { return target{Service: "redis:7", Host: host, Ports: ports} }
	for _, test := range []struct {
		name    string
		timeout time.Duration
		targets []target
		want    string
	}{
		{"none", long, nil, "[]"},
		{"open", long, []target{one("127.0.0.1", open)}, "[]"},
		{"one of its ports", long, []target{one("127.0.0.1", shut, open)}, "[]"},
		{"shut", short, []target{one("127.0.0.1", shut)}, "[0]"},
		{"some of several", patient, []target{one("127.0.0.1", shut), one("127.0.0.1", open), one("127.0.0.1", shut)}, "[0,2]"},
		// A name that does not resolve is not waited for: with this timeout the test would hang. No name server is asked for it.
		{"a service that has ended", long, []target{one("127.0.0.1", open), one("a..b", open)}, "[1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := probe(t.Context(), t, test.timeout, test.targets...); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// TestProbeWaits opens a port while the prober waits for it.
func TestProbeWaits(t *testing.T) {
	t.Parallel()
	address, err := net.ResolveTCPAddr("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address.Port = int(closed(t))
	got := make(chan string, 1)
	go func() {
		got <- probe(t.Context(), t, time.Hour, target{Host: "127.0.0.1", Ports: []uint16{uint16(address.Port)}})
	}()
	listen(t, address.String())
	if failed := <-got; failed != "[]" {
		t.Errorf("%s, want the port to be found", failed)
	}
}

func TestProbeCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the job was canceled"))
	if got := probe(ctx, t, time.Hour, target{Host: "127.0.0.1", Ports: []uint16{closed(t)}}); got != "[0]" {
		t.Errorf("%s", got)
	}
}

func TestProbeRefusesNonsense(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Probe(t.Context(), time.Second, "{", &out); err == nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}
