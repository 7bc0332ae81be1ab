package executor

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
)

// TestGathering sends pieces of all sizes, of which loud ones gather: every byte comes, in order, and the end as well.
func TestGathering(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sent := make([]byte, 3<<20)
	for i := range sent {
		sent[i] = byte(rand.Int())
	}
	failed := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		for rest := sent; err == nil && len(rest) > 0; {
			n := min(1+rand.IntN(64<<10)>>rand.IntN(16), len(rest))
			_, err = conn.Write(rest[:n])
			rest = rest[n:]
		}
		if conn != nil {
			conn.Close()
		}
		failed <- err
	}()
	conn, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := newGathering(conn, conn)
	if reader.conn == nil {
		t.Fatal("a socket of the engine does not tell what waits")
	}
	got, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came, or others: %v", len(got), len(sent), err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// TestGatheringWithoutSocket: a connection that cannot tell what waits is read as it is.
func TestGatheringWithoutSocket(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	go func() {
		_, _ = there.Write(make([]byte, 100<<10))
		there.Close()
	}()
	if got, err := io.ReadAll(newGathering(here, here)); err != nil || len(got) != 100<<10 {
		t.Errorf("%d bytes came: %v", len(got), err)
	}
}
