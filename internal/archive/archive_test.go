package archive

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// project makes a directory from names and contents: a name that ends in a slash is a directory, content "-> x" a link to x.
func project(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case name[len(name)-1] == '/':
			err = os.MkdirAll(path, 0o755)
		case len(content) > 3 && content[:3] == "-> ":
			err = os.Symlink(content[3:], path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contents is the reverse of project.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			found[name+"/"] = ""
			return nil
		case info.Mode().Type() == os.ModeSymlink:
			target, err := os.Readlink(path)
			found[name] = "-> " + target
			return err
		}
		text, err := os.ReadFile(path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

type writer func(context.Context, io.Writer, string, Files, Level) error

func TestWhatIsPackedIsUnpackedAgain(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]writer{"zip": WriteZip, "zipzstd": WriteZipZstd, "tarzstd": WriteTarZstd} {
		for _, level := range []Level{LevelDefault, LevelFastest, LevelFast, LevelSlow, LevelSlowest} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				from := project(t, map[string]string{
					"a": "text", "empty": "", "run": "#!/bin/sh", "dir/.hidden": "h", "dir/none/": "",
					"dir/größe 大.txt": "unicode", "link": "-> dir/.hidden", "dangling": "-> /nowhere/at all", "dir/up": "-> ../a",
				})
				past := time.Date(2019, 3, 4, 5, 6, 7, 0, time.UTC)
				for file, mode := range map[string]os.FileMode{"run": 0o755, "a": 0o600, "dir": 0o711, "dir/none": 0o555} {
					if err := os.Chmod(filepath.Join(from, file), mode); err != nil {
						t.Fatal(err)
					}
				}
				for _, file := range []string{"a", "dir", "dir/none"} {
					if err := os.Chtimes(filepath.Join(from, file), past, past); err != nil {
						t.Fatal(err)
					}
				}
				files, _, err := Select(t.Context(), Selection{Dir: from, Paths: []string{"**"}})
				if err != nil {
					t.Fatal(err)
				}
				packed := pack(t, write, from, files, level)
				to := project(t, map[string]string{"a": "older text", "empty": "-> /etc/passwd", "link/": "", "stays": "here"})
				if err := Extract(t.Context(), packed, to); err != nil {
					t.Fatal(err)
				}
				want := contents(t, from)
				want["stays"] = "here"
				if diff := cmp.Diff(want, contents(t, to)); diff != "" {
					t.Errorf("unpacked (-want +got):\n%s", diff)
				}
				for _, f := range files {
					a, b := lstat(t, from, f.Name), lstat(t, to, f.Name)
					if a.Mode() != b.Mode() {
						t.Errorf("%s: mode %v, want %v", f.Name, b.Mode(), a.Mode())
					}
					if want, got := a.ModTime().Truncate(time.Second), b.ModTime().Truncate(time.Second); !got.Equal(want) {
						t.Errorf("%s: time %v, want %v", f.Name, got, want)
					}
				}
			})
		}
	}
}

func TestOwnersAreRestoredByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	for name, write := range map[string]writer{"zip": WriteZip, "tarzstd": WriteTarZstd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := project(t, map[string]string{"d/a": "x", "d/l": "-> a"})
			for _, f := range []string{"d", "d/a", "d/l"} {
				if err := os.Lchown(filepath.Join(from, f), 1000, 1001); err != nil {
					t.Fatal(err)
				}
			}
			files, _, err := Select(t.Context(), Selection{Dir: from, Paths: []string{"d"}})
			if err != nil {
				t.Fatal(err)
			}
			to := t.TempDir()
			if err := Extract(t.Context(), pack(t, write, from, files, LevelDefault), to); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{"d", "d/a", "d/l"} {
				stat := lstat(t, to, f).Sys().(*syscall.Stat_t)
				if stat.Uid != 1000 || stat.Gid != 1001 {
					t.Errorf("%s belongs to %d:%d", f, stat.Uid, stat.Gid)
				}
			}
		})
	}
}

func lstat(t *testing.T, dir, name string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func pack(t testing.TB, write writer, dir string, files Files, level Level) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "archive"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := write(t.Context(), f, dir, files, level); err != nil {
		t.Fatal(err)
	}
	return f
}
