package runner

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/plan"
)

// TestDockerLogins puts helpers into PATH, so it cannot run beside other tests.
func TestDockerLogins(t *testing.T) {
	dir := t.TempDir()
	program := func(name, script string) {
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program("good", `case $1 in
list) echo '{"https://store.example.com":"someone"}' ;;
get) read -r url; echo "{\"ServerURL\":\"$url\",\"Username\":\"me\",\"Secret\":\"of $url\"}" ;;
esac`)
	program("token", `echo '{"Username":"<token>","Secret":"identity"}'`)
	program("broken", `echo credentials not found in native keychain; exit 1`)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, tt := range []struct{ name, config, auths, warning string }{
		{"no helpers", `{"auths":{"a.example.com":{"auth":"eDp5"}}}`, `{"a.example.com":{"auth":"eDp5"}}`, ""},
		{"of a registry", `{"auths":{"a.example.com":{"auth":"eDp5"}},"credHelpers":{"b.example.com":"good"}}`, `{"a.example.com":{"auth":"eDp5"},"b.example.com":{"username":"me","password":"of b.example.com"}}`, ""},
		{"of all", `{"credsStore":"good","credHelpers":{"b.example.com":"token"}}`, `{"https://store.example.com":{"username":"me","password":"of https://store.example.com"},"b.example.com":{"identitytoken":"identity"}}`, ""},
		{"missing", `{"auths":{"a.example.com":{"auth":"eDp5"}},"credHelpers":{"b.example.com":"nobody-has"}}`, `{"a.example.com":{"auth":"eDp5"}}`, "docker-credential-nobody-has is not in the runner's PATH"},
		{"failing", `{"credHelpers":{"b.example.com":"broken"}}`, `{}`, "no login for b.example.com: docker-credential-broken get: exit status 1"},
	} {
		merged, warnings, err := DockerLogins(t.Context(), []byte(tt.config))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got struct{ Auths map[string]any }
		var want map[string]any
		if err := errors.Join(json.Unmarshal(merged, &got), json.Unmarshal([]byte(tt.auths), &want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Auths); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if said := strings.Join(warnings, "\n"); !strings.Contains(said, tt.warning) || tt.warning == "" && said != "" {
			t.Errorf("%s: warnings %q, want %q", tt.name, said, tt.warning)
		}
	}
	for _, config := range []string{`{"credsStore":"../evil"}`, `{"credHelpers":{"b.example.com":"/bin/evil"}}`} {
		_, _, err := DockerLogins(t.Context(), []byte(config))
		if _, ok := errors.AsType[*plan.ConfigError](err); !ok {
			t.Errorf("%s: error %v", config, err)
		}
	}
}
