package plan

import (
	"slices"
	"testing"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// TestForesee: what must not be shown, and that nobody but the project's members may see the log, is known of a job that
// cannot be compiled.
func TestForesee(t *testing.T) {
	t.Parallel()
	in := testInput()
	in.Job.Image.Name = "$SECRET/app"
	in.Runner.Docker.AllowedImages = []string{"ruby:*"}
	in.Job.Variables = append(in.Job.Variables,
		jobapi.Variable{Key: "SECRET", Value: "registry-nobody-knows", Masked: true},
		jobapi.Variable{Key: "SHORT", Value: "$CI_PROJECT_DIR/", Masked: true},
		jobapi.Variable{Key: "DOCKER_AUTH_CONFIG", Value: `{"credHelpers":{"harbor.lan":"ecr-login"}}`, Raw: true},
		jobapi.Variable{Key: "CI_DEBUG_SERVICES", Value: "true"},
	)
	if _, err := Compile(in); err == nil {
		t.Fatal("the job compiles")
	}
	f := Foresee(in.Job, in.Runner)
	if !slices.Contains(f.Masks, "registry-nobody-knows") || !slices.Contains(f.Masks, in.Runner.Token.Reveal()) || slices.Contains(f.Masks, "/") {
		t.Errorf("masks %q", f.Masks)
	}
	if !f.Debug || string(f.DockerAuth) != `{"credHelpers":{"harbor.lan":"ecr-login"}}` {
		t.Errorf("%+v", f)
	}
	in.Runner.DebugTraceDisabled = true
	if Foresee(in.Job, in.Runner).Debug {
		t.Error("debugging that the configuration forbids")
	}
	if f := Foresee(nil, nil); len(f.Masks) > 0 { // a panic would end the runner, and again at each start
		t.Errorf("%+v of a job that cannot be read", f)
	}
	if f := Foresee(&jobapi.Job{}, &config.Runner{}); len(f.Masks) > 0 || f.Debug || f.DockerAuth != nil {
		t.Errorf("an empty job: %+v", f)
	}
}

// TestFallbackKeyOnce: what a fallback key says is not expanded again, or it could name the cache of protected refs.
func TestFallbackKeyOnce(t *testing.T) {
	t.Parallel()
	in := testInput()
	in.Job.Cache = []jobapi.Cache{{Key: "k", Paths: []string{"dir"}}}
	in.Job.Variables = append(in.Job.Variables,
		jobapi.Variable{Key: "HIDDEN", Value: "main-1-protected"},
		jobapi.Variable{Key: "CACHE_FALLBACK_KEY", Value: "$HIDDEN", Raw: true},
	)
	c := &compiler{Input: in, vars: newVariables(in, newNames(in))}
	cs, err := newCaches(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range cs.restore().Items {
		for _, key := range item.Keys {
			if endsProtected(key.Name) {
				t.Errorf("the key %q is tried", key.Name)
			}
		}
	}
}

// TestCompilePanic: a fault of Compile is the job's end and not the runner's.
func TestCompilePanic(t *testing.T) {
	t.Parallel()
	in := testInput()
	in.Runner = nil
	if _, err := Compile(in); err == nil {
		t.Error("no error")
	}
}
