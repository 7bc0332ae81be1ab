package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

// TestSelection is job-api contract 7.4.
func TestSelection(t *testing.T) {
	const nothing = ": no matching files. Ensure that the artifact path is relative to the working directory (DIR)"
	for name, test := range map[string]struct {
		selection Selection
		want      []string
		notes     []string // warnings begin with a !; DIR is the project's directory
	}{
		"file":                  {Selection{Paths: []string{"a.txt"}}, []string{"a.txt"}, []string{"a.txt: found 1 matching artifact files and directories"}},
		"directory":             {Selection{Paths: []string{"src/"}}, []string{"src", "src/.hidden", "src/a.o", "src/deep", "src/deep/b.o", "src/empty"}, []string{"src/: found 6 matching artifact files and directories"}},
		"star":                  {Selection{Paths: []string{"src/*"}}, []string{"src/.hidden", "src/a.o", "src/deep", "src/deep/b.o", "src/empty"}, []string{"src/*: found 5 matching artifact files and directories"}},
		"double star":           {Selection{Paths: []string{"**/*.o"}}, []string{"src/a.o", "src/deep/b.o"}, []string{"**/*.o: found 2 matching artifact files and directories"}},
		"alternatives":          {Selection{Paths: []string{"{a.txt,src/a.?}"}}, []string{"a.txt", "src/a.o"}, []string{"{a.txt,src/a.?}: found 2 matching artifact files and directories"}},
		"class":                 {Selection{Paths: []string{"src/deep/[a-c].o"}}, []string{"src/deep/b.o"}, []string{"src/deep/[a-c].o: found 1 matching artifact files and directories"}},
		"dots":                  {Selection{Paths: []string{"./src/../a.txt"}}, []string{"a.txt"}, []string{"./src/../a.txt: found 1 matching artifact files and directories"}},
		"absolute":              {Selection{Paths: []string{"DIR/a.txt"}}, []string{"a.txt"}, []string{"DIR/a.txt: found 1 matching artifact files and directories"}},
		"outside":               {Selection{Paths: []string{"/etc/passwd"}}, nil, []string{"!/etc/passwd: not supported: outside build directory"}},
		"outside by dots":       {Selection{Paths: []string{"../*"}}, nil, []string{"!../*: not supported: outside build directory"}},
		"bad pattern":           {Selection{Paths: []string{"["}}, nil, []string{"![: syntax error in pattern"}},
		"no match":              {Selection{Paths: []string{"gone/**"}}, nil, []string{"!gone/**" + nothing}},
		"link":                  {Selection{Paths: []string{"link", "dangling"}}, []string{"dangling", "link"}, []string{"link: found 1 matching artifact files and directories", "dangling: found 1 matching artifact files and directories"}},
		"dangling link by glob": {Selection{Paths: []string{"d*g"}}, []string{"dangling"}, []string{"d*g: found 1 matching artifact files and directories"}},
		"below a link":          {Selection{Paths: []string{"link/*"}}, nil, []string{"!link: a symbolic link, which is not followed; name the directory that it points to", "!link/*" + nothing}},
		"exclude":               {Selection{Paths: []string{"src"}, Exclude: []string{"**/*.o", "src/empty"}}, []string{"src", "src/.hidden", "src/deep"}, []string{"src: found 3 matching artifact files and directories", "**/*.o: excluded 2 files", "src/empty: excluded 1 files"}},
		"exclude a directory":   {Selection{Paths: []string{"src"}, Exclude: []string{"src/deep"}}, []string{"src", "src/.hidden", "src/a.o", "src/deep/b.o", "src/empty"}, []string{"src: found 5 matching artifact files and directories", "src/deep: excluded 1 files"}},
		"exclude what is in it": {Selection{Paths: []string{"src"}, Exclude: []string{"src/deep/**"}}, []string{"src", "src/.hidden", "src/a.o", "src/empty"}, []string{"src: found 4 matching artifact files and directories", "src/deep/**: excluded 2 files"}},
		"untracked":             {Selection{Untracked: true, UntrackedFiles: []string{"a.txt", "gone", "src/a.o", "../x", "/etc/passwd", "link/a.o"}, Exclude: []string{"src/**"}}, []string{"a.txt"}, []string{"!link: a symbolic link, which is not followed; name the directory that it points to", "untracked: found 1 files", "src/**: excluded 1 files"}},
		"nothing untracked":     {Selection{Untracked: true}, nil, []string{"!untracked: no files"}},
		"twice":                 {Selection{Paths: []string{"src/deep", "**/deep/**"}}, []string{"src/deep", "src/deep/b.o"}, []string{"src/deep: found 2 matching artifact files and directories", "**/deep/**: found 2 matching artifact files and directories"}},
		"repository":            {Selection{Paths: []string{".git"}}, []string{".git", ".git/HEAD"}, []string{"!Part of .git directory is on the list of files to archive. This may introduce unexpected problems", ".git: found 2 matching artifact files and directories"}},
		"socket":                {Selection{Paths: []string{"s*k"}}, nil, []string{"!sock: left out, since a socket cannot be stored", "!s*k" + nothing}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, map[string]string{
				"a.txt": "a", "src/.hidden": "", "src/a.o": "", "src/deep/b.o": "", "src/empty/": "", "link": "-> src", "dangling": "-> /gone", ".git/HEAD": "",
			})
			t.Chdir(dir) // the path of a socket may have 108 bytes only
			l, err := net.Listen("unix", "sock")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := test.selection
			s.Dir = dir
			for i := range s.Paths {
				s.Paths[i] = strings.ReplaceAll(s.Paths[i], "DIR", dir)
			}
			files, notes, err := Select(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			var got, texts []string
			for _, f := range files {
				got = append(got, f.Name)
			}
			for _, n := range notes {
				text := strings.ReplaceAll(n.Text, dir, "DIR")
				if n.Warning {
					text = "!" + text
				}
				texts = append(texts, text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.notes, texts); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelectionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	errEnd := errors.New("the job was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	if _, _, err := Select(ctx, Selection{Dir: project(t, map[string]string{"a": ""}), Paths: []string{"**"}}); !errors.Is(err, errEnd) {
		t.Errorf("error %v", err)
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"r/a.xml": "<a/>", "r/ü.xml": "<u/>", "r/größe 大.xml": "<b/>", "link": "-> r/a.xml"})
	files, _, _ := Select(t.Context(), Selection{Dir: dir, Paths: []string{"r/*"}})
	var packed bytes.Buffer
	if err := WriteGzip(t.Context(), &packed, dir, files, LevelDefault); err != nil {
		t.Fatal(err)
	}
	var got []string
	for packed.Len() > 0 {
		z, err := gzip.NewReader(&packed)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, z.Name+"|"+z.Comment+"|"+string(text))
	}
	want := []string{"a.xml|r/a.xml|<a/>", "gr%C3%B6%C3%9Fe%20%E5%A4%A7.xml|r/gr%C3%B6%C3%9Fe%20%E5%A4%A7.xml|<b/>", "ü.xml|r/ü.xml|<u/>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	links, _, _ := Select(t.Context(), Selection{Dir: dir, Paths: []string{"link"}})
	if err := WriteGzip(t.Context(), io.Discard, dir, links, LevelDefault); err == nil || !strings.Contains(err.Error(), "a symbolic link cannot be sent as gzip") {
		t.Errorf("error %v", err)
	}
}

func TestRaw(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"a": "text", "b": "", "d/": ""})
	for pattern, want := range map[string]string{"a": "text", "b": ""} {
		files, _, _ := Select(t.Context(), Selection{Dir: dir, Paths: []string{pattern}})
		var b bytes.Buffer
		if err := WriteRaw(t.Context(), &b, dir, files); err != nil || b.String() != want {
			t.Errorf("%s is %q, error %v", pattern, b.String(), err)
		}
	}
	for pattern, want := range map[string]string{"?": "3 files match", "d": "only a regular file", "gone": "0 files match"} {
		files, _, _ := Select(t.Context(), Selection{Dir: dir, Paths: []string{pattern}})
		if err := WriteRaw(t.Context(), io.Discard, dir, files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", pattern, err, want)
		}
	}
}

// TestFilesThatChangeOnTheWay: a job's service may still write while the archive is made.
func TestFilesThatChangeOnTheWay(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"a": "text", "b": "text"})
	files, _, _ := Select(t.Context(), Selection{Dir: dir, Paths: []string{"?"}})
	if err := errors.Join(os.Remove(filepath.Join(dir, "b")), os.Symlink("/etc/passwd", filepath.Join(dir, "b"))); err != nil {
		t.Fatal(err)
	}
	for _, write := range []writer{WriteZip, WriteTarZstd, WriteGzip} {
		if err := write(t.Context(), io.Discard, dir, files, LevelFast); err == nil || !strings.Contains(err.Error(), "archive b:") {
			t.Errorf("error %v", err)
		}
	}
}

// TestMemoryDoesNotGrowWithFiles packs and unpacks 200 MB, most of them a hole.
func TestMemoryDoesNotGrowWithFiles(t *testing.T) {
	const size, bound = 200 << 20, 64 << 20
	dir := project(t, map[string]string{"big": ""})
	if err := os.Truncate(filepath.Join(dir, "big"), size); err != nil {
		t.Fatal(err)
	}
	files, _, err := Select(t.Context(), Selection{Dir: dir, Paths: []string{"big"}})
	if err != nil {
		t.Fatal(err)
	}
	var peak uint64
	watch := func(p []byte) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	for name, write := range map[string]writer{"zip": WriteZip, "zipzstd": WriteZipZstd, "tarzstd": WriteTarZstd} {
		packed := pack(t, func(ctx context.Context, w io.Writer, dir string, files Files, l Level) error {
			return write(ctx, io.MultiWriter(w, writerFunc(watch)), dir, files, l)
		}, dir, files, LevelFast)
		to := t.TempDir()
		if err := Extract(t.Context(), packed, to); err != nil {
			t.Fatal(err)
		}
		watch(nil)
		if info, err := os.Stat(filepath.Join(to, "big")); err != nil || info.Size() != size {
			t.Errorf("%s: unpacked %v, error %v", name, info, err)
		}
		if err := os.Remove(filepath.Join(to, "big")); err != nil {
			t.Fatal(err)
		}
	}
	if peak > bound {
		t.Errorf("heap of %d MB", peak>>20)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// FuzzSelect gives whatever globs to a small tree: nothing outside of it is ever found, and every name is a clean one.
func FuzzSelect(f *testing.F) {
	for _, seed := range []string{"**", "*/../..", "{a,b/**}", "[^a]", `\*`, "link/**", "/", "", "b/{c,../../**}",
		"dist/", "*.sbom.json", "./b/*", "b/../link", "**/build/libs/*.jar", "b/[c-d]", "b/c*", "/builds/lced/board/b"} {
		f.Add(seed, "**/c")
		f.Add("**", seed)
	}
	f.Fuzz(func(t *testing.T, pattern, exclude string) {
		top := project(t, map[string]string{"secret": "", "dir/a": "", "dir/b/c": "", "dir/link": "-> ..", "dir/b/up": "-> ../../secret"})
		files, _, err := Select(t.Context(), Selection{Dir: filepath.Join(top, "dir"), Paths: []string{pattern}, Exclude: []string{exclude}})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !slices.Contains([]string{"a", "b", "b/c", "b/up", "link"}, file.Name) {
				t.Errorf("%q finds %q", pattern, file.Name)
			}
		}
	})
}
