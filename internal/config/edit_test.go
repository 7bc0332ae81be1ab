package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const handWritten = `# Boards of hall 3.
concurrent = 4   # all that fit
my_own_key = "stays"

# The first one.
[[runners]]
	name = "one"
	url = 'https://gitlab.lan/' # the old address
	TOKEN = "glrt-one"  # from the vault
	executor = "docker"
	[runners.docker]
		image = "alpine"
		# privileged = true
	[runners.dind]
		privileged = true

# A key that belongs to nobody.

# The second one,
# on two lines.
[[runners]]
name = "two"
url = "https://$GITLAB"
token = "${LCED_TOKEN}"
token_expires_at = 2026-01-01 00:00:00Z # soon
executor = "docker"
[runners.docker]
image = """
alpine"""

[session_server]
session_timeout = 1800

[runners.cache] # of the second one
Shared = true
# The end.
`

// written writes a file, edits it and returns the new text.
func edited(t *testing.T, name, text string, change func(*File) error) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	err := Edit(t.Context(), file, environment, change)
	data, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(data), err
}

func TestEditTOML(t *testing.T) {
	t.Parallel()
	obtained, expires := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC), time.Time{}
	for name, test := range map[string]struct {
		change func(*File) error
		want   func(string) string // what becomes of the text
	}{
		"nothing": {
			func(*File) error { return nil },
			func(s string) string { return s },
		},
		"token": {
			func(f *File) error { return f.SetToken(0, `new"\`, obtained, expires) },
			func(s string) string {
				return strings.Replace(s, "TOKEN = \"glrt-one\"  # from the vault\n", "TOKEN = \"new\\\"\\\\\"  # from the vault\n\ttoken_obtained_at = 2026-02-03T04:05:06Z\n\ttoken_expires_at = 0001-01-01T00:00:00Z\n", 1)
			},
		},
		"first": {
			func(f *File) error { return f.Remove(0) },
			func(s string) string {
				return cut(cut(s, "# The first one.\n", "# A key that"), "", "")
			},
		},
		"second": {
			func(f *File) error { return f.Remove(1) },
			func(s string) string {
				return cut(cut(s, "# The second one", "[session_server]"), "[runners.cache]", "")
			},
		},
		"both": {
			func(f *File) error { return f.Remove(1, 0) },
			func(s string) string {
				return cut(cut(cut(s, "# The second one", "[session_server]"), "[runners.cache]", ""), "# The first one.\n", "# A key that")
			},
		},
		"another": {
			func(f *File) error {
				d := &Draft{}
				d.SetText("name", "thrée\n\x01")
				d.SetIdentity(7, "glrt-three", obtained, obtained.Add(time.Hour))
				d.SetText("docker.image", "alpine")
				for _, k := range Keys() {
					var err error
					switch k.Path {
					case "runners.url":
						err = d.Set(k, "https://gitlab.lan")
					case "runners.docker.volumes":
						err = d.Set(k, "/cache", "/a:/b")
					case "runners.feature_flags":
						err = d.Set(k, "FF_A:1", "FF_B:false", "FF_A:0")
					case "runners.docker.sysctls":
						err = d.Set(k, "net.core.somaxconn:1024")
					case "runners.limit":
						err = d.Set(k, "2")
					}
					if err != nil {
						return err
					}
				}
				return f.Add(d)
			},
			func(s string) string {
				return s + `
[[runners]]
  name = "thrée\n\u0001"
  id = 7
  token = "glrt-three"
  token_obtained_at = 2026-02-03T04:05:06Z
  token_expires_at = 2026-02-03T05:05:06Z
  url = "https://gitlab.lan"
  limit = 2
  [runners.docker]
    image = "alpine"
    volumes = ["/cache", "/a:/b"]
    [runners.docker.sysctls]
      "net.core.somaxconn" = "1024"
  [runners.feature_flags]
    FF_A = false
    FF_B = false
`
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, crlf := range []bool{false, true} {
				text, want := handWritten, test.want(handWritten)
				if crlf {
					text, want = strings.ReplaceAll(text, "\n", "\r\n"), strings.ReplaceAll(want, "\n", "\r\n")
				}
				got, err := edited(t, "config.toml", text, test.change)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("line breaks of Windows: %v (-want +got):\n%s", crlf, diff)
				}
			}
		})
	}
}

// cut removes what stands from one text up to another one, which stays; up to "" is up to the end.
func cut(s, from, to string) string {
	if from == "" {
		return s
	}
	before, rest, _ := strings.Cut(s, from)
	if to == "" {
		return before
	}
	_, after, _ := strings.Cut(rest, to)
	return before + to + after
}

func TestEditYAML(t *testing.T) {
	t.Parallel()
	const text = `# Boards of hall 3.
concurrent: 4 # all that fit
my_own_key: stays
runners:
  # The first one.
  - name: one
    url: https://gitlab.lan
    token: glrt-one # from the vault
    executor: docker
    docker: {image: alpine} # short
  # The second one.
  - name: two
    url: https://$GITLAB
    token: ${LCED_TOKEN}
    executor: docker
    docker:
      # What else?
      image: alpine
# The end.
`
	got, err := edited(t, "config.yaml", text, func(f *File) error {
		if err := f.SetToken(0, "no", time.Time{}, time.Time{}); err != nil {
			return err
		}
		d := &Draft{}
		d.SetIdentity(7, "glrt-three", time.Time{}, time.Time{})
		d.SetText("docker.image", "yes")
		return f.Add(d)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(text, "token: glrt-one # from the vault\n", "token: \"no\" # from the vault\n    token_obtained_at: 0001-01-01T00:00:00Z\n    token_expires_at: 0001-01-01T00:00:00Z\n", 1)
	want = strings.Replace(want, "# The end.\n", `  - id: 7
    token: "glrt-three"
    token_obtained_at: 0001-01-01T00:00:00Z
    token_expires_at: 0001-01-01T00:00:00Z
    docker:
      image: "yes"
# The end.
`, 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("set and add (-want +got):\n%s", diff)
	}

	got, err = edited(t, "config.yml", text, func(f *File) error { return f.Remove(0) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cut(text, "  # The first one.\n", "  # The second one."), got); diff != "" {
		t.Errorf("remove (-want +got):\n%s", diff)
	}
	for _, empty := range []string{"", "# nothing yet\n", "runners:\n", "runners: []\n", "concurrent: 2\n"} {
		got, err = edited(t, "config.yml", empty, func(f *File) error {
			d := &Draft{}
			d.SetText("name", "one")
			return f.Add(d)
		})
		if err != nil || !strings.Contains(got, `- name: "one"`) || !strings.HasPrefix(got, strings.TrimSuffix(empty[:min(len(empty), 6)], "\n")) {
			t.Errorf("a runner in %q: %v\n%s", empty, err, got)
		}
	}
}

func TestEditRefuses(t *testing.T) {
	t.Parallel()
	remove := func(f *File) error { return f.Remove(0) }
	refusal := errors.New("changed my mind")
	for name, test := range map[string]struct {
		file, text string
		change     func(*File) error
		want       string
	}{
		"inline list":   {"config.toml", "concurrent = 1\nrunners = [{name = \"a\"}]\n", remove, "line 2: runners is written as one value"},
		"alias":         {"config.yaml", "x: &a {name: n}\nrunners:\n  - *a\n", func(f *File) error { return f.SetToken(0, "t", time.Time{}, time.Time{}) }, "line 3: the runner is an alias"},
		"broken":        {"config.toml", "concurrent = \n", remove, "config.toml:1"},
		"env token":     {"config.toml", handWritten, func(f *File) error { return f.SetToken(1, "t", time.Time{}, time.Time{}) }, "${LCED_TOKEN}"},
		"not UTF-8":     {"config.toml", handWritten, func(f *File) error { return f.SetToken(0, "\xff", time.Time{}, time.Time{}) }, "UTF-8"},
		"volume twice":  {"config.toml", "", func(f *File) error { return f.Add(twice()) }, "is already mounted"},
		"its own words": {"config.toml", handWritten, func(f *File) error { return errors.Join(f.Remove(0), refusal) }, refusal.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := edited(t, test.file, test.text, test.change)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if diff := cmp.Diff(test.text, got); diff != "" {
				t.Errorf("the file has changed (-want +got):\n%s", diff)
			}
		})
	}
}

// twice is a draft whose volumes collide, which only the check of the whole finds.
func twice() *Draft {
	d := &Draft{}
	d.SetText("url", "https://gitlab.lan")
	d.SetText("token", "glrt-x")
	d.SetText("executor", "docker")
	d.put("docker.volumes", &node{kind: List, items: []*node{{kind: Text, text: "/a"}, {kind: Text, text: "/a/"}}})
	return d
}

func TestDraftFill(t *testing.T) {
	t.Parallel()
	template := filepath.Join(t.TempDir(), "template.toml")
	if err := os.WriteFile(template, []byte(`
[[runners]]
  token = "not this"
  limit = 3
  strange_key = [1, 2]
  [runners.docker]
    privileged = true
    memory = "1g"
  [[runners.docker.services]]
    name = "redis:7"
`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &Draft{}
	d.SetText("docker.memory", "2g")
	if err := d.Set(Key{Path: "runners.docker.privileged", Kind: Boolean}, "false"); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(template); err != nil {
		t.Fatal(err)
	}
	got, err := tomlTable("runners", &d.root)
	if err != nil {
		t.Fatal(err)
	}
	want := `  limit = 3
  strange_key = [1, 2]
  [runners.docker]
    memory = "2g"
    privileged = false
    [[runners.docker.services]]
      name = "redis:7"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was given wins (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(template, []byte("[[runners]]\n[[runners]]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(template); err == nil || !strings.Contains(err.Error(), "exactly one [[runners]]") {
		t.Errorf("a template with two runners: %v", err)
	}
}

// FuzzEdit holds that a change of a file that can be read changes what it should and nothing else.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(handWritten), false)
	for _, pattern := range []string{"testdata/*.toml", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, filepath.Ext(file) == ".yaml")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, isYAML bool) {
		file := &File{path: "config.toml", env: environment, notation: tomlText{}}
		if isYAML {
			file = &File{path: "config.yaml", env: environment, notation: yamlText{}}
		}
		if file.take(data) != nil {
			return
		}
		runners := len(file.config.Runners)
		if err := file.Add(&Draft{root: node{kind: Table, entries: []entry{{key: "name", value: &node{kind: Text, text: "new"}}}}}); err != nil {
			return // inline lists and the like
		}
		if got := file.config.Runners; len(got) != runners+1 || got[runners].Name != "new" {
			t.Fatalf("%d runners, want one more than %d", len(got), runners)
		}
		for i, r := range file.config.Runners {
			if err := file.SetToken(i, "glrt-other", time.Time{}, time.Time{}); err != nil {
				continue
			}
			if got := file.config.Runners[i]; got.Token != "glrt-other" || got.Name != r.Name || len(got.Docker.Volumes) != len(r.Docker.Volumes) {
				t.Fatalf("runner %d after a new token: %+v", i, got)
			}
		}
		for i := runners; i >= 0; i-- {
			if err := file.Remove(i); err != nil {
				t.Fatal(err)
			}
			if len(file.config.Runners) != i {
				t.Fatalf("%d runners, want %d", len(file.config.Runners), i)
			}
		}
	})
}

func TestEditKeepsTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.toml"), filepath.Join(dir, "config.toml")
	if err := os.WriteFile(real, []byte(handWritten), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(real, 0o646), os.Symlink("real.toml", link)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(real, 1001, 1002); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	if err := Edit(t.Context(), link, environment, func(f *File) error { return f.Remove(0) }); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	if owner(before) != owner(after) || before.Mode() != after.Mode() {
		t.Errorf("owner and mode were %v %v, are %v %v", owner(before), before.Mode(), owner(after), after.Mode())
	}
	if to, err := os.Readlink(link); to != "real.toml" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("files left over: %v", files)
	}
	// A file that is not there is made, with its directory.
	file := filepath.Join(dir, "new", "config.toml")
	if err := Edit(t.Context(), file, environment, func(f *File) error { return f.Add(twice0()) }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	c, _, err := Load(file, environment)
	if err != nil || c.Concurrent != 1 || len(c.Runners) != 1 {
		t.Errorf("the new file: %+v, %v", c, err)
	}
}

func twice0() *Draft {
	d := twice()
	d.put("docker.volumes", &node{kind: List})
	return d
}

// TestEditAtOnce has many writers at work on one file: none loses what another one wrote.
func TestEditAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.toml")
	const writers = 12
	done := make(chan error)
	for range writers {
		go func() {
			done <- Edit(context.Background(), file, environment, func(f *File) error { return f.Add(twice0()) })
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	c, _, err := Load(file, environment)
	if err != nil || len(c.Runners) != writers {
		t.Fatalf("%v, %v; want %d runners", c, err, writers)
	}
	// One that cannot wait any longer says so.
	ctx, cancel := context.WithCancelCause(t.Context())
	err = Edit(ctx, file, environment, func(*File) error {
		cancel(errors.New("no time"))
		return Edit(ctx, file, environment, func(*File) error { return nil })
	})
	if err == nil || !strings.Contains(err.Error(), "another process is writing it") {
		t.Errorf("a second writer: %v", err)
	}
}
