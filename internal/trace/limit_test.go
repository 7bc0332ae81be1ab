package trace

import (
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// limited writes text through a limiter in chunks of the given sizes and returns the spool.
func limited(t *testing.T, path, text string, limit int64, sizes []byte) string {
	t.Helper()
	s, err := openSpool(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := limiter{limit: limit, spool: s}
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(sizes) > 0 {
			n = min(n, int(sizes[i%len(sizes)])%16+1)
		}
		l.write([]byte(text[:n]), mark{})
		text = text[n:]
	}
	l.flush()
	got := make([]byte, s.sum.Size)
	if err := s.readAt(got, 0, place{}); err != nil {
		t.Fatal(err)
	}
	if want := (Sum{Size: int64(len(got)), CRC32: crc32.ChecksumIEEE(got)}); s.sum != want {
		t.Errorf("sum: got %+v, want %+v", s.sum, want)
	}
	if err := s.remove(); err != nil {
		t.Error(err)
	}
	return string(got)
}

const notice10 = "\n\x1b[33;1mJob's log exceeded limit of 10 bytes.\n" +
	"Job execution will continue but no more output will be collected.\x1b[0;m\n"

func TestLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"below", "123456789", "123456789"},
		{"reached", "1234567890", "1234567890" + notice10},
		{"passed", "1234567890abc", "1234567890" + notice10},
		{"character fits", "1234567€abc", "1234567€" + notice10},
		{"character does not fit", "12345678€abc", "12345678" + notice10},
		{"long character does not fit", "1234567\U0001F600", "1234567" + notice10},
		{"unfinished character below", "12345678\xe2", "12345678\xe2"},
		{"not UTF-8", "12345678\x80\x80\x80", "12345678\x80\x80" + notice10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "log")
			for _, sizes := range [][]byte{nil, {0}, {1}, {8}} {
				if got := limited(t, path, tt.in, 10, sizes); got != tt.want {
					t.Errorf("chunks %v: got %q, want %q", sizes, got, tt.want)
				}
			}
		})
	}
}

func FuzzLimit(f *testing.F) {
	f.Add("1234567€abc", uint8(9), []byte{0, 3})
	f.Add("\U0001F600\U0001F600\xf0\x9f", uint8(7), []byte{1})
	path := filepath.Join(f.TempDir(), "log")
	f.Fuzz(func(t *testing.T, text string, limit uint8, sizes []byte) {
		max := int64(limit) + 1
		got := limited(t, path, text, max, sizes)
		if int64(len(text)) < max {
			if got != text {
				t.Fatalf("below the limit: got %q, want %q", got, text)
			}
			return
		}
		kept, found := strings.CutSuffix(got, string(limitNotice(max)))
		if !found || !strings.HasPrefix(text, kept) || int64(len(kept)) > max || int64(len(kept)) <= max-utf8.UTFMax {
			t.Fatalf("limit %d on %q: got %q", max, text, got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(kept) {
			t.Fatalf("limit %d on %q: split a character: %q", max, text, kept)
		}
		if whole := limited(t, path, text, max, nil); whole != got {
			t.Fatalf("in one chunk %q, in chunks %q", whole, got)
		}
	})
}
