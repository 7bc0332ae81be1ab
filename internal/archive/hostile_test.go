package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
)

// item is an entry of an archive as only an attacker writes it.
type item struct {
	name    string
	mode    fs.FileMode
	content string // or the target of a link
}

func zipOf(t testing.TB, items []item) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name}
		h.SetMode(i.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(i.name, "/") {
			io.WriteString(w, i.content)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarOf(t testing.TB, items []item) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Mode: int64(i.mode.Perm()), Typeflag: tar.TypeReg, Size: int64(len(i.content))}
		switch {
		case i.mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, i.content, 0
		case i.mode&fs.ModeDevice != 0:
			h.Typeflag, h.Size = tar.TypeBlock, 0
		case i.mode&fs.ModeNamedPipe != 0:
			h.Typeflag, h.Size = tar.TypeFifo, 0
		case strings.HasSuffix(i.name, "/"):
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, i.content)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fileOf(t testing.TB, content []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestHostileArchives is checklist 21 of the job-api contract, and more.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	link := fs.ModeSymlink | 0o777
	for name, test := range map[string]struct {
		items []item
		want  string // of the refusal
	}{
		"parent":                     {[]item{{"../x", 0o644, "x"}}, `"../x" leads out of the directory with ..`},
		"parent inside":              {[]item{{"a/../../x", 0o644, "x"}}, `leads out of the directory with ..`},
		"parent that comes back":     {[]item{{"a/../x", 0o644, "x"}}, `leads out of the directory with ..`},
		"absolute":                   {[]item{{"/tmp/x", 0o644, "x"}}, `"/tmp/x" is an absolute path`},
		"link and below":             {[]item{{"l", link, "/"}, {"l/tmp/x", 0o644, "x"}}, `"l/tmp/x" leads through a symbolic link of the archive`},
		"link and far below":         {[]item{{"l", link, "."}, {"l/a/b/x", 0o644, "x"}}, `leads through a symbolic link of the archive`},
		"below and link":             {[]item{{"l/x", 0o644, "x"}, {"l", link, "/"}}, `"l" is a symbolic link where the archive also has a directory`},
		"directory and link":         {[]item{{"l/", fs.ModeDir | 0o755, ""}, {"l", link, "/"}}, `"l" is a symbolic link where the archive also has a directory`},
		"link and directory":         {[]item{{"l", link, "/"}, {"l/", fs.ModeDir | 0o755, ""}}, `"l/" is a directory where the archive also has a symbolic link`},
		"link by another name":       {[]item{{"./l", link, "/"}, {"l/x", 0o644, "x"}}, `"l/x" leads through`},
		"link in another case":       {[]item{{"Link", link, "/"}, {"lINK/x", 0o644, "x"}}, `"lINK/x" leads through`},
		"link without a target":      {[]item{{"l", link, ""}}, `"l" is a symbolic link without a usable target`},
		"twice":                      {[]item{{"x", 0o644, "a"}, {"x", 0o644, "b"}}, `"x" is in the archive twice`},
		"twice by another name":      {[]item{{"x", 0o644, "a"}, {".//x", 0o644, "b"}}, `is in the archive twice`},
		"file and directory":         {[]item{{"x", 0o644, "a"}, {"x/", fs.ModeDir | 0o755, ""}}, `is in the archive twice`},
		"file and below":             {[]item{{"x", 0o644, "a"}, {"x/y", 0o644, "b"}}, `"x/y" leads through x, which is a regular file`},
		"device":                     {[]item{{"sda", fs.ModeDevice | 0o644, ""}}, `"sda" is a device`},
		"pipe":                       {[]item{{"p", fs.ModeNamedPipe | 0o644, ""}}, `"p" is a `},
		"no name":                    {[]item{{".", 0o644, "x"}}, `"." is not a name of a file`},
		"link that was there":        {[]item{{"out/x", 0o644, "x"}}, `"out/x" leads through out, which is a symbolic link`},
		"link that was there, below": {[]item{{"in/sub/x", 0o644, "x"}}, `"in/sub/x" leads through in, which is a symbolic link`},
		"file that was there, below": {[]item{{"file/x", 0o644, "x"}}, `"file/x" leads through file, which is a regular file`},
	} {
		for kind, pack := range map[string]func(testing.TB, []item) []byte{"zip": zipOf, "tar": tarOf} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				outside := t.TempDir()
				dir := project(t, map[string]string{"out": "-> " + outside, "in": "-> real", "real/": "", "file": "text"})
				err := Extract(t.Context(), fileOf(t, pack(t, test.items)), dir)
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if entries, _ := os.ReadDir(outside); len(entries) > 0 {
					t.Errorf("outside there is %v", entries)
				}
				want := map[string]string{"out": "-> " + outside, "in": "-> real", "real/": "", "file": "text"}
				if kind == "zip" && !strings.Contains(name, "was there") && name != "file and below" && name != "link without a target" {
					if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
						t.Errorf("a refused zip leaves (-want +got):\n%s", diff)
					}
				}
			})
		}
	}
}

// TestLinksAreNotFollowed: what stands in an entry's place is replaced, not written through.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	outside := project(t, map[string]string{"victim": "untouched", "dir/": ""})
	dir := project(t, map[string]string{"a": "-> " + outside + "/victim", "d": "-> " + outside + "/dir"})
	items := []item{{"a", 0o600, "new"}, {"d/", fs.ModeDir | 0o700, ""}, {"d/x", 0o644, "x"}, {"absolute", fs.ModeSymlink | 0o777, "/usr/bin/env"}, {"up", fs.ModeSymlink | 0o777, "../.."}}
	if err := Extract(t.Context(), fileOf(t, zipOf(t, items)), dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "new", "d/": "", "d/x": "x", "absolute": "-> /usr/bin/env", "up": "-> ../.."}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("inside (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"victim": "untouched", "dir/": ""}, contents(t, outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
}

func TestExtractionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	errEnd := errors.New("the job was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	for _, pack := range []func(testing.TB, []item) []byte{zipOf, tarOf} {
		if err := Extract(ctx, fileOf(t, pack(t, []item{{"x", 0o644, "x"}})), t.TempDir()); !errors.Is(err, errEnd) {
			t.Errorf("error %v", err)
		}
	}
}

func TestDamagedArchives(t *testing.T) {
	t.Parallel()
	items := []item{{"x", 0o644, strings.Repeat("text", 1000)}}
	z, tr := zipOf(t, items), tarOf(t, items)
	flipped := bytes.Clone(z)
	flipped[40] ^= 0xff
	for name, content := range map[string][]byte{"empty": nil, "text": []byte("no archive at all"), "short zip": z[:len(z)-10], "short tar": tr[:len(tr)-10], "flipped zip": flipped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := Extract(t.Context(), fileOf(t, content), t.TempDir()); err == nil {
				t.Error("no error")
			}
		})
	}
}

// fuzzed extracts whatever bytes into a directory with links, and checks that nothing beside it changes.
func fuzzed(t *testing.T, content []byte) {
	top := project(t, map[string]string{"victim": "untouched", "dir/out": "-> ..", "dir/victim": "-> ../victim", "dir/in/": ""})
	_ = Extract(t.Context(), fileOf(t, content), filepath.Join(top, "dir"))
	got := contents(t, top)
	for name := range got {
		if strings.HasPrefix(name, "dir/") {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(map[string]string{"victim": "untouched"}, got); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
}

func FuzzExtractZip(f *testing.F) {
	link := fs.ModeSymlink | 0o777
	f.Add(zipOf(f, []item{{"a", 0o644, "x"}, {"d/", fs.ModeDir | 0o755, ""}, {"d/l", link, "../a"}}))
	f.Add(zipOf(f, []item{{"l", link, ".."}, {"l/victim", 0o644, "x"}}))
	f.Add(zipOf(f, []item{{"out/victim", 0o644, "x"}, {"victim", 0o644, "y"}}))
	f.Add(packed(f, WriteZip))
	f.Add(packed(f, WriteZipZstd))
	f.Fuzz(fuzzed)
}

// packed is an archive as a job makes it.
func packed(t testing.TB, write func(context.Context, io.Writer, string, Files, Level) error) []byte {
	t.Helper()
	dir := project(t, map[string]string{"dist/board.bin": strings.Repeat("firmware ", 100), "dist/empty/": "", "dist/latest": "-> board.bin", "süß.txt": "ü"})
	files, _, err := Select(t.Context(), Selection{Dir: dir, Paths: []string{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := write(t.Context(), &b, dir, files, LevelDefault); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzExtractTar fuzzes what is inside of the compression: the fuzzer does not get through a checksum.
func FuzzExtractTar(f *testing.F) {
	for _, seed := range [][]byte{
		tarOf(f, []item{{"a", 0o644, "x"}, {"d/", fs.ModeDir | 0o755, ""}, {"d/l", fs.ModeSymlink | 0o777, "../a"}}),
		tarOf(f, []item{{"l", fs.ModeSymlink | 0o777, ".."}, {"l/victim", 0o644, "x"}}),
		packed(f, WriteTarZstd),
	} {
		z, err := zstd.NewReader(bytes.NewReader(seed))
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		var b bytes.Buffer
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			t.Fatal(err)
		}
		z.Write(plain)
		z.Close()
		fuzzed(t, b.Bytes())
	})
}
