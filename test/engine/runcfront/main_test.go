package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOCIFile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"create":          {[]string{"--root", "/r", "--log", "/l", "create", "--bundle", "/b", "--pid-file", "/p", "id"}, "/b/config.json"},
		"run, joined":     {[]string{"run", "--bundle=/b", "id"}, "/b/config.json"},
		"bundle is here":  {[]string{"run", "id"}, "config.json"},
		"exec":            {[]string{"--root", "/r", "exec", "--process", "/tmp/p.json", "--detach", "id"}, "/tmp/p.json"},
		"exec, no file":   {[]string{"exec", "id", "sh"}, ""},
		"nothing to read": {[]string{"--root", "/r", "delete", "--force", "id"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ociFile(tc.args); got != tc.want {
				t.Errorf("ociFile(%q) = %q, want %q", tc.args, got, tc.want)
			}
		})
	}
}

func TestBoundingSet(t *testing.T) {
	t.Parallel()
	got, err := boundingSet("Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n")
	if err != nil || got != 0x1fffeffffff {
		t.Errorf("boundingSet = %x, %v", got, err)
	}
	if _, err := boundingSet("Name:\tx\n"); err == nil {
		t.Error("boundingSet of a status without CapBnd gave no error")
	}
}

func TestDropMissing(t *testing.T) {
	t.Parallel()
	const withoutResource = 0x1ffffffffff &^ (1 << 24)
	for name, tc := range map[string]struct{ before, after string }{
		"bundle": {
			`{"x":1,"process":{"args":["a"],"capabilities":{"bounding":["CAP_KILL","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]}}}`,
			`{"x":1,"process":{"args":["a"],"capabilities":{"bounding":["CAP_KILL"],"effective":[]}}}`,
		},
		"process file":         {`{"args":["a"],"capabilities":{"permitted":["CAP_SYS_RESOURCE","CAP_CHOWN"]}}`, `{"args":["a"],"capabilities":{"permitted":["CAP_CHOWN"]}}`},
		"no capabilities":      {`{"process":{"args":["a"]}}`, `{"process":{"args":["a"]}}`},
		"unknown names stay":   {`{"capabilities":{"bounding":["CAP_NEW"]}}`, `{"capabilities":{"bounding":["CAP_NEW"]}}`},
		"nothing out of reach": {`{"capabilities":{"bounding":["CAP_KILL"]}}`, `{"capabilities":{"bounding":["CAP_KILL"]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(file, []byte(tc.before), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := dropMissing(file, withoutResource); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, tc.after), parse(t, string(text))); diff != "" {
				t.Errorf("file differs (-want +got):\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}
