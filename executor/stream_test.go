package executor

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestHeld(t *testing.T) {
	t.Parallel()
	h := newHeld(t.Context())
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
	h := newHeld(t.Context())
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

// TestHeldIsBounded has a shell that talks without end before its script comes: it waits, and nothing of it is lost.
func TestHeldIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		h, given := newHeld(ctx), newHeld(ctx)
		chunk := bytes.Repeat([]byte("x"), heldLimit/2)
		var out bytes.Buffer
		var wg sync.WaitGroup
		var after error
		for _, w := range []*held{h, given} {
			wg.Go(func() {
				for range 8 {
					if _, err := w.Write(chunk); err != nil {
						after = err
						return
					}
				}
			})
		}
		synctest.Wait()
		if len(h.kept) > heldLimit+len(chunk) {
			t.Errorf("%d bytes are kept", len(h.kept))
		}
		if err := given.release(&out); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if out.Len() != 8*len(chunk) {
			t.Errorf("%d bytes came out, want %d", out.Len(), 8*len(chunk))
		}
		end(errors.New("the job has ended"))
		wg.Wait()
		if after == nil {
			t.Error("a writer without a target survived its job")
		}
	})
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestHeldTellsOfAFullDisk(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("disk full")
	h := newHeld(t.Context())
	_, _ = h.Write([]byte("early"))
	if err := h.release(broken{errDisk}); !errors.Is(err, errDisk) {
		t.Errorf("release: %v", err)
	}
	if _, err := h.Write([]byte("late")); !errors.Is(err, errDisk) {
		t.Errorf("write: %v", err)
	}
}
