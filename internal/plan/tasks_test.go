package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
