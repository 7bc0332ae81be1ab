package laws

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReliabilityNamesTests: a test that docs/reliability.md names for a promise is there.
func TestReliabilityNamesTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := goFiles()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range files {
		for name := range f.ast.Scope.Objects {
			if strings.HasPrefix(name, "Test") {
				there[name] = true
			}
		}
	}
	for _, m := range regexp.MustCompile("`(Test[A-Za-z0-9_]+)[`/]").FindAllStringSubmatch(string(text), -1) {
		if !there[m[1]] {
			t.Errorf("docs/reliability.md names %s, which is no test", m[1])
		}
	}
}
