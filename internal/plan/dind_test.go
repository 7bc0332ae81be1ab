package plan

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"lced-runner/executor"
	"lced-runner/jobapi"
)

// TestOnlySaysDind: an image that says dind in its name is looked at before it is taken for a docker daemon.
func TestOnlySaysDind(t *testing.T) {
	t.Parallel()
	const image = "registry.example.com/ci/dind-dashboard:2"
	for _, test := range []struct {
		name    string
		seen    executor.ImageConfig
		sidecar bool
	}{
		{"a daemon", executor.ImageConfig{Entrypoint: []string{"/own.sh"}, Volumes: []string{"/var/lib/docker"}}, true},
		{"something else", executor.ImageConfig{Entrypoint: []string{"/dashboard"}}, false},
	} {
		in := goldenInput(t, filepath.Join("testdata", "services"))
		in.Runner.Dind.Privileged = true
		in.Job.Services = []jobapi.Image{{Name: image, Alias: "web"}}
		_, err := Compile(in)
		unknown, ok := errors.AsType[*UnknownImageError](err)
		if !ok || unknown.Image.Ref != image {
			t.Fatalf("%s: %v, want a question about the image", test.name, err)
		}
		in.Images = map[string]executor.ImageConfig{image: test.seen}
		compiled, err := Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		s := compiled.Plan.Services[len(compiled.Plan.Services)-1]
		if s.Ready.Must != test.sidecar || s.Privileged != test.sidecar || (len(s.Cmd) > 0) != test.sidecar {
			t.Errorf("%s: %+v", test.name, s)
		}
		if told := strings.Contains(strings.Join(compiled.Warnings, "\n"), "is started as an ordinary service"); told == test.sidecar {
			t.Errorf("%s: warnings %q", test.name, compiled.Warnings)
		}
	}
}
