package plan

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/helper"
	"lced-runner/jobapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compiles testdata/<case>/job.json with the first runner of config.toml, and the docker logins of docker.json
// where there are any, and compares with plan.json: the specification of what a job means. A refusal is in error.txt.
func TestGolden(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/job.json")
	if err != nil || len(cases) < 40 {
		t.Fatalf("%d cases (%v)", len(cases), err)
	}
	for _, name := range cases {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			compiled, err := Compile(goldenInput(t, dir))
			var got, refusal string
			if err != nil {
				if _, ok := errors.AsType[*ConfigError](err); !ok && !strings.HasPrefix(err.Error(), "Unsupported ") {
					t.Errorf("%T is not a *ConfigError: the job would be taken for the runner's failure", err)
				}
				refusal = err.Error() + "\n"
			} else {
				got = readable(t, compiled)
			}
			golden(t, filepath.Join(dir, "plan.json"), got)
			golden(t, filepath.Join(dir, "error.txt"), refusal)
		})
	}
}

// golden compares with a file, which must not exist for an empty text.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		var err error
		if got != "" {
			err = os.WriteFile(path, []byte(got), 0o644)
		} else if err = os.Remove(path); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update accepts it:\n%s", path, diff)
	}
}

// goldenInput is the input of a case; what is not in its files is the same for all.
func goldenInput(t *testing.T, dir string) Input {
	t.Helper()
	in := testInput()
	text, err := os.ReadFile(filepath.Join(dir, "job.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, in.Job); err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Load(filepath.Join(dir, "config.toml"), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	in.Runner = &c.Runners[0]
	if in.Runner.Cache.Type != "" {
		in.Cache = testSigner()
	}
	if in.DockerAuth, err = os.ReadFile(filepath.Join(dir, "docker.json")); errors.Is(err, os.ErrNotExist) {
		in.DockerAuth = nil
	} else if err != nil {
		t.Fatal(err)
	}
	return in
}

// testSigner signs without a secret.
func testSigner() *CacheSigner {
	return &CacheSigner{
		Download: func(object string) (string, error) { return "https://s3.example.com/" + object + "?get", nil },
		Upload: func(object, key string) (string, map[string]string, error) {
			return "https://s3.example.com/" + object + "?put", map[string]string{"X-Key": key}, nil
		},
	}
}

// testInput is an input with an empty job and the default configuration.
func testInput() Input {
	runner := config.DefaultRunner()
	runner.Token = "glrt-runnertoken123456"
	return Input{
		Job: &jobapi.Job{}, Runner: &runner, SystemID: "s_0123456789ab", RunnerHost: "board", Slot: 1, ProjectSlot: 0,
		Random: "0123456789abcdef", OwnImage: "sha256:0123", Version: "1.2.3", Revision: "abcdef01",
		Facts: executor.Facts{
			Host: "board", Version: "29.1.0", Platform: "linux/arm64", MTU: 1450, DNS: []string{"192.168.2.1"},
			DNSSearch: []string{"lan"}, Mirrors: []string{"http://mirror.lan:5000"}, CertsD: true, LibModules: true,
		},
		Certificates: func(names []string) (server, client []dind.File, err error) {
			of := strings.Join(names, ", ")
			return []dind.File{{Path: "server/cert.pem", Mode: 0o644, Data: []byte("of " + of)}}, []dind.File{{Path: "cert.pem", Mode: 0o644, Data: []byte("client's")}}, nil
		},
	}
}

// readable writes what Compile made as JSON for people: no zero values, durations and requests as text, scripts by line,
// registry logins without their passwords, and the job's environment once.
func readable(t *testing.T, c *Compiled) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	v := view{t: t}
	build := plain["Plan"].(map[string]any)["Build"].(map[string]any)
	env := build["Env"]
	build["Env"] = nil
	v.environment = fmt.Sprint(env)
	shown := v.of("", plain).(map[string]any)
	shown["Plan"].(map[string]any)["Build"].(map[string]any)["Env"] = env
	var out strings.Builder
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(false)
	to.SetIndent("", "  ")
	if err := to.Encode(shown); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// view makes decoded JSON readable.
type view struct {
	t           *testing.T
	environment string
}

// of is the readable form of a value by its key; nil leaves it out.
func (v view) of(key string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for k, one := range value {
			if value[k] = v.of(k, one); value[k] == nil && key != "Labels" && key != "Env" {
				delete(value, k)
			}
		}
		if len(value) == 0 {
			return nil
		}
	case []any:
		if strings.EqualFold(key, "Env") && fmt.Sprint(value) == v.environment {
			return "that of the build container"
		}
		for i := range value {
			if _, isText := value[i].(string); !isText {
				value[i] = v.of(key, value[i])
			}
		}
		if len(value) == 0 {
			return nil
		}
	case string:
		return v.text(key, value)
	case float64:
		switch {
		case value == 0:
			return nil
		case strings.HasSuffix(key, "Timeout"):
			return time.Duration(value).String()
		}
	case bool:
		if !value {
			return nil
		}
	}
	return value
}

// text is the readable form of a string.
func (v view) text(key, value string) any {
	if value == "" {
		return nil
	}
	switch key {
	case "Auth":
		return loginOf(v.t, value)
	case "Script":
		return strings.Split(value, "\n")
	case "Data":
		return string(v.decode(base64.StdEncoding, value))
	case "Request":
		var request any
		if err := json.Unmarshal(v.decode(base64.StdEncoding, value), &request); err != nil {
			v.t.Fatal(err)
		}
		return v.of("", request)
	}
	return value
}

func (v view) decode(encoding *base64.Encoding, text string) []byte {
	data, err := encoding.DecodeString(text)
	if err != nil {
		v.t.Fatal(err)
	}
	return data
}

// loginOf shows a login without its password.
func loginOf(t *testing.T, auth string) string {
	t.Helper()
	text, err := base64.URLEncoding.DecodeString(auth)
	if err != nil {
		t.Fatal(err)
	}
	var l login
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s with a password of %d letters at %s", l.Username, len(l.Password), l.ServerAddress)
}

// TestHelperHasWhatItOpens holds every plan to it: a volume that the helper is to make writable must be mounted there.
func TestHelperHasWhatItOpens(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/job.json")
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, name := range cases {
		compiled, err := Compile(goldenInput(t, filepath.Dir(name)))
		if err != nil || compiled.Plan.Helper == nil {
			continue
		}
		var request helper.Request
		if err := json.Unmarshal(compiled.Plan.Before[0].Request, &request); err != nil {
			t.Fatal(err)
		}
		for _, dir := range request.Prepare.ChmodDirs {
			opened++
			if !slices.ContainsFunc(compiled.Plan.Helper.Binds, func(b string) bool { return strings.HasSuffix(b, ":"+dir) }) {
				t.Errorf("%s: the helper opens %s but mounts %v", name, dir, compiled.Plan.Helper.Binds)
			}
		}
	}
	if opened == 0 {
		t.Error("no plan opens a volume")
	}
}
