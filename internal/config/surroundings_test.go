package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOneBadRunner checks that what is wrong in one [[runners]] table leaves the others usable for those who ask.
func TestOneBadRunner(t *testing.T) {
	t.Parallel()
	c, _, err := Load("testdata/messages/conflicts.toml", environment)
	if err == nil || !c.Usable() {
		t.Fatalf("config %v, error %v: want both", c, err)
	}
	for _, r := range c.Runners {
		if (r.Disabled == "") != (r.Name == "good" || r.Name == "flags") {
			t.Errorf("runner %s is disabled by %q", r.Name, r.Disabled)
		}
		if r.RawToken == "" {
			t.Errorf("runner %s has lost its token", r.Name)
		}
	}
	if c, _, err := Parse([]byte("concurrent = 0\n"), "config.toml", environment); c != nil || err == nil {
		t.Errorf("config %v, error %v: an error outside the runners must leave nothing usable", c, err)
	}
	if (*Config)(nil).Usable() {
		t.Error("no configuration is usable")
	}
}

// write puts a file into a directory that it makes, and returns its path.
func write(t *testing.T, content string, elements ...string) string {
	t.Helper()
	path := filepath.Join(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const beside = `
[[runners]]
  url = "https://gitlab.lan:8443/sub"
  token = "a"
  executor = "docker"
  [runners.docker]
    image = "alpine"
    security_opt = ["no-new-privileges", "seccomp=PROFILE"]
    services_security_opt = ["seccomp=unconfined"]
`

func TestSurroundings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	profile := write(t, "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n", dir, "profile.json")
	file := write(t, strings.ReplaceAll(beside, "PROFILE", profile), dir, "config.toml")
	ca := write(t, "ca", dir, "certs", "gitlab.lan.crt")
	write(t, "half of a client certificate", dir, "certs", "gitlab.lan.auth.crt")

	r := loadOne(t, file)
	if r.TLSCAFile != ca || r.TLSCertFile != "" {
		t.Errorf("certificates %q and %q: want %q, and no client's without its key", r.TLSCAFile, r.TLSCertFile, ca)
	}
	if got, want := r.Docker.SecurityOpt[1], `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`; got != want {
		t.Errorf("security_opt %q, want %q", got, want)
	}
	if got := r.Docker.ServicesSecurityOpt[0]; got != "seccomp=unconfined" {
		t.Errorf("services_security_opt %q, want it as it was", got)
	}

	key := write(t, "key", dir, "certs", "gitlab.lan.auth.key")
	if r := loadOne(t, file); r.TLSCertFile == "" || r.TLSKeyFile != key {
		t.Errorf("client certificate %q with key %q: want those in certs", r.TLSCertFile, r.TLSKeyFile)
	}

	write(t, "not JSON", profile)
	if _, _, err := Load(file, environment); err == nil || !strings.Contains(err.Error(), "config.toml:8: runners.docker.security_opt: the seccomp profile "+profile+" is not JSON") {
		t.Errorf("a profile that is not JSON gives %v", err)
	}
	if err := os.Remove(profile); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file, environment); err == nil || !strings.Contains(err.Error(), "the seccomp profile cannot be read") {
		t.Errorf("a profile that is missing gives %v", err)
	}
}

func loadOne(t *testing.T, file string) Runner {
	t.Helper()
	c, warnings, err := Load(file, environment)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %v, error %v", warnings, err)
	}
	return c.Runners[0]
}

// TestAuthorities checks which file with authorities counts, and that an address cannot lead out of the directory.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	named := ""
	env := func(name string) string { return map[string]string{"CA_CERTIFICATES_PATH": named}[name] }
	expect := func(gitlab, want string) {
		t.Helper()
		if ca, cert, key := Certificates(dir, gitlab, env); ca != want || cert+key != "" {
			t.Errorf("%q has the authorities of %q, the client certificate %q with %q, want %q", gitlab, ca, cert, key, want)
		}
	}
	write(t, "not ours", dir, "up.crt")
	write(t, "", dir, "certs", ".keep")
	for _, gitlab := range []string{"", "gitlab.lan", "https://", "https://..%2Fup", "://"} {
		expect(gitlab, "")
	}
	common := write(t, "of all", dir, "certs", "ca.crt")
	expect("https://gitlab.lan", common)
	named = filepath.Join(dir, "none.crt")
	expect("https://gitlab.lan", common)
	named = write(t, "by the environment", dir, "named.crt")
	expect("https://gitlab.lan", named)
	own := write(t, "of the host", dir, "certs", "gitlab.lan.crt")
	expect("https://gitlab.lan:8443/sub", own)
}
