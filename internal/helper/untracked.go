package helper

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// untracked lists the files of the project that git does not know, ignored ones too. The job may have written anything into the
// repository's configuration by now: settings in the environment, which win, keep it from naming a program.
func (s *stage) untracked(ctx context.Context) ([]string, error) {
	c := s.commands
	c.env = withSettings(slices.Clone(c.env), []setting{
		{"core.hooksPath", os.DevNull},
		{"core.fsmonitor", "false"},
		{"safe.bareRepository", "explicit"},
		{"safe.directory", "*"}, // a job may run as any user, and nothing is run or written here
	})
	c.env = append(c.env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(s.ProjectDir))
	list, err := c.output(ctx, s.ProjectDir, "ls-files", "-o", "-z")
	if err != nil {
		return nil, fmt.Errorf("list untracked files: %w", err)
	}
	return strings.FieldsFunc(list, func(r rune) bool { return r == 0 }), nil
}
