package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

func TestResolveFlags(t *testing.T) {
	t.Parallel()
	runner := &config.Runner{
		FeatureFlags: map[string]bool{"FF_TIMESTAMPS": false, "FF_OF_THE_OPERATOR": true},
		Environment:  []config.Variable{{Name: "FF_SCRIPT_SECTIONS", Value: "true"}, {Name: "FF_HASH_CACHE_KEYS", Value: "1"}, {Name: "PATH", Value: "true"}},
	}
	job := &jobapi.Job{Variables: []jobapi.Variable{
		{Key: "FF_TIMESTAMPS", Value: "true"}, // the configuration says no
		{Key: "FF_HASH_CACHE_KEYS", Value: "f"},
		{Key: "FF_USE_FASTZIP", Value: "false"},
		{Key: "FF_NETWORK_PER_BUILD", Value: "true"}, // as usual
		{Key: "FF_USE_INIT_WITH_DOCKER_EXECUTOR", Value: "yes"},
		{Key: "FF_OF_THE_JOB", Value: "true"},
	}}
	flags, warnings := ResolveFlags(job, runner)
	if diff := cmp.Diff([]string{"FF_OF_THE_OPERATOR:true", "FF_SCRIPT_SECTIONS:true", "FF_USE_FASTZIP:false"}, flags.Changed()); diff != "" {
		t.Error(diff)
	}
	if len(warnings) != 2 || !strings.HasPrefix(warnings[0], `FF_USE_INIT_WITH_DOCKER_EXECUTOR is "yes"`) || !strings.HasPrefix(warnings[1], "FF_USE_FASTZIP=false changes nothing: ") {
		t.Errorf("warnings %q", warnings)
	}

	in := testInput()
	in.Runner.FeatureFlags, in.Job.Variables = runner.FeatureFlags, job.Variables
	env := newVariables(in, newNames(in)).env(false)
	for _, want := range []string{"FF_TIMESTAMPS=false", "FF_USE_FASTZIP=false", "FF_OF_THE_OPERATOR=true", "FF_OF_THE_JOB=true", "FF_USE_INIT_WITH_DOCKER_EXECUTOR=false"} {
		if !slices.Contains(env, want) {
			t.Errorf("the job has no %s", want)
		}
	}
}

// TestScriptSections shows a command of several lines in a section of its own, where job and server want that.
func TestScriptSections(t *testing.T) {
	t.Parallel()
	const start, end = `printf 'section_start:%s:section_script_step_1[hide_duration=true,collapsed=true]\r\033[0K' "$(date +%s)"`, `printf 'section_end:%s:section_script_step_1\r\033[0K' "$(date +%s)"`
	for _, tt := range []struct {
		flag            string
		server, section bool
	}{{"true", true, true}, {"false", true, false}, {"true", false, false}} {
		in := testInput()
		in.Job.Variables = []jobapi.Variable{{Key: "FF_SCRIPT_SECTIONS", Value: tt.flag}}
		in.Job.Features.TraceSections = tt.server
		c := &compiler{Input: in}
		c.vars = newVariables(in, newNames(in))
		c.flags, _ = ResolveFlags(in.Job, in.Runner)
		body := scriptBody(c, []string{"one", "two\nlines"})
		want := notice("$ one") + "one\n" + notice("$ two # collapsed multi-line command") + "two\nlines\n"
		if tt.section {
			want = notice("$ one") + "one\n" + start + "\n" + notice("$ two\nlines") + "two\nlines\n" + end + "\n"
		}
		if diff := cmp.Diff(want, body); diff != "" {
			t.Errorf("flag %s, server %v: %s", tt.flag, tt.server, diff)
		}
	}
}

// TestStopOfAContainerThatSeesOthers: a signal to all processes that it sees would not be for the job's alone.
func TestStopOfAContainerThatSeesOthers(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]bool{"": false, "host": true, "container:other": true} {
		in := testInput()
		in.Job.Steps = []jobapi.Step{{Name: "script", Script: []string{"true"}}}
		in.Job.Image.Name, in.Runner.Docker.PidMode = "alpine", mode
		c, err := Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Plan.Build.NativeStop; got != want {
			t.Errorf("pid_mode %q: the engine stops the script: %v, want %v", mode, got, want)
		}
	}
}
