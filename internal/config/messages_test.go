package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMessages compares all that is said about bad files with testdata/messages/*.golden.
func TestMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/messages/*ml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files to read: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			_, warnings, err := Parse(data, filepath.Base(file), environment)
			for _, w := range warnings {
				fmt.Fprintln(&got, "warning", w)
			}
			if err != nil {
				fmt.Fprintln(&got, "error "+strings.ReplaceAll(err.Error(), "\n", "\nerror "))
			}
			want, err := os.ReadFile(file + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
