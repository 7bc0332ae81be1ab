package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/config"
	"lced-runner/internal/helper"
	"lced-runner/jobapi"
)

// TestGitFlags: none alone switches flags off, and an empty variable is as good as none at all.
func TestGitFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		vars         []string
		clean, fetch []string
	}{
		{nil, []string{"-ffdx"}, []string{"--prune", "--quiet"}},
		{[]string{"", " "}, []string{"-ffdx"}, []string{"--prune", "--quiet"}},
		{[]string{"none", "none"}, nil, nil},
		{[]string{"-ffdx -e  cache/", "--no-tags"}, []string{"-ffdx", "-e", "cache/"}, []string{"--no-tags"}},
	} {
		in := testInput()
		for i, value := range tt.vars {
			in.Job.Variables = append(in.Job.Variables, jobapi.Variable{Key: []string{"GIT_CLEAN_FLAGS", "GIT_FETCH_EXTRA_FLAGS"}[i], Value: value})
		}
		c := &compiler{Input: in}
		c.vars = newVariables(in, newNames(in))
		s := makeSources(c, true)
		if diff := cmp.Diff([][]string{tt.clean, tt.fetch}, [][]string{s.CleanFlags, s.FetchFlags}); diff != "" {
			t.Errorf("%q: %s", tt.vars, diff)
		}
	}
}

// TestHelperWhereTempStays: a job without sources, caches and artifacts needs a helper only where somebody has to remove what it
// leaves on a volume that the next job gets.
func TestHelperWhereTempStays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		volumes   []config.Volume
		noCache   bool
		directory string // cache_dir
		want      bool
	}{
		"volume of the job alone":   {},
		"directory of the host":     {volumes: []config.Volume{{Source: "/srv/builds", Destination: "/builds"}}, want: true},
		"named volume":              {volumes: []config.Volume{{Source: "builds", Destination: "/builds"}}, want: true},
		"volume of ours that stays": {volumes: []config.Volume{{Destination: "/builds"}}, want: true},
		"the same in a directory":   {volumes: []config.Volume{{Destination: "/builds"}}, directory: "/srv/cache", want: true},
		"the same, but disabled":    {volumes: []config.Volume{{Destination: "/builds"}}, noCache: true},
		"other volumes":             {volumes: []config.Volume{{Destination: "/cache"}, {Source: "/srv", Destination: "/buil"}, {Destination: "vendor"}}},
		"below the builds":          {volumes: []config.Volume{{Source: "/srv/group", Destination: "/builds/group"}}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := testInput()
			in.Runner.Docker.Image, in.Runner.Docker.Volumes, in.Runner.Docker.DisableCache, in.Runner.Docker.CacheDir = "busybox", tt.volumes, tt.noCache, tt.directory
			in.Job.GitInfo.RepoURL = "https://gitlab.example.com/group/project.git"
			in.Job.Steps = []jobapi.Step{{Name: "script", Script: []string{"true"}}}
			in.Job.Variables = []jobapi.Variable{{Key: "GIT_STRATEGY", Value: string(helper.StrategyNone)}, {Key: "KEY", Value: "secret", File: true}}
			compiled, err := Compile(in)
			if err != nil {
				t.Fatal(err)
			}
			p := compiled.Plan
			if (p.Helper != nil) != tt.want || tt.want && !p.Finally[len(p.Finally)-1].Cleans {
				t.Errorf("helper %v, want %v; final tasks %+v", p.Helper != nil, tt.want, p.Finally)
			}
		})
	}
}
