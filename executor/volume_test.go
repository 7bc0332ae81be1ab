package executor

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPack(t *testing.T) {
	t.Parallel()
	archive, err := pack([]Volume{
		{Name: "certs", Target: "/certs", Files: []File{
			{Path: "ca/cert.pem", Mode: 0o644, Data: []byte("CA")},
			{Path: "server/key.pem", Mode: 0o600, Data: []byte("KEY")},
			{Path: "server/cert.pem", Mode: 0o644, Data: []byte("CERT")},
			{Path: "top", Mode: 0o755},
		}},
		{Name: "builds", Target: "/builds", Open: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d, want root", h.Name, h.Uid, h.Gid)
		}
		got = append(got, fmt.Sprintf("%c %o %s %s", h.Typeflag, h.Mode, h.Name, data))
	}
	want := []string{
		"5 755 certs/ ",
		"5 755 certs/ca/ ", "0 644 certs/ca/cert.pem CA",
		"5 755 certs/server/ ", "0 600 certs/server/key.pem KEY", "0 644 certs/server/cert.pem CERT",
		"0 755 certs/top ",
		"5 777 builds/ ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
