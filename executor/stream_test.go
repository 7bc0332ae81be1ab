package executor

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

func TestHeld(t *testing.T) {
	t.Parallel()
	var h held
	var out bytes.Buffer
	for _, text := range []string{"early ", "output "} {
		if n, err := h.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := h.release(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if out.String() != "early output late" {
		t.Errorf("got %q", out.String())
	}
}

// TestHeldWhileWriting releases in the midst of writes: nothing may be lost, doubled or out of order.
func TestHeldWhileWriting(t *testing.T) {
	t.Parallel()
	var h held
	var out, want bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 256 {
			_, _ = h.Write([]byte{byte(i)})
		}
	})
	for i := range 256 {
		want.WriteByte(byte(i))
	}
	if err := h.release(&out); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("got %x", out.Bytes())
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestHeldTellsOfAFullDisk(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("disk full")
	var h held
	_, _ = h.Write([]byte("early"))
	if err := h.release(broken{errDisk}); !errors.Is(err, errDisk) {
		t.Errorf("release: %v", err)
	}
	if _, err := h.Write([]byte("late")); !errors.Is(err, errDisk) {
		t.Errorf("write: %v", err)
	}
}
