package e2e

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformanceTable keeps CONFORMANCE.md true: what it names exists, and it names the whole suite.
func TestConformanceTable(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("CONFORMANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsByPackage(t)
	named := regexp.MustCompile("`(?:([a-z]+)\\.)?((?:Test|Fuzz)\\w+)(?:/([^`]+))?`").FindAllStringSubmatch(string(table), -1)
	if len(named) < 100 {
		t.Fatalf("the table names %d tests only", len(named))
	}
	listed := map[string]bool{}
	for _, n := range named {
		text := tests[cmp.Or(n[1], "e2e")]
		listed[n[2]] = true
		switch {
		case !strings.Contains(text, "\nfunc "+n[2]+"("):
			t.Errorf("there is no %s", n[0])
		case n[3] == "" || n[2] == "TestGolden": // its cases are directories
		case !strings.Contains(text, `"`+n[3]+`"`):
			t.Errorf("there is no case of %s", n[0])
		}
	}
	for _, f := range regexp.MustCompile(`\nfunc (TestConformance_\d\d_\w+)\(`).FindAllStringSubmatch(tests["e2e"], -1) {
		if !listed[f[1]] {
			t.Errorf("%s is not in CONFORMANCE.md", f[1])
		}
	}
}

// testsByPackage is the text of all tests of the project by the name of their package.
func testsByPackage(t *testing.T) map[string]string {
	t.Helper()
	tests := map[string]string{}
	for _, pattern := range []string{"../../*/*_test.go", "../../internal/*/*_test.go", "*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := filepath.Abs(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			tests[filepath.Base(dir)] += string(text)
		}
	}
	return tests
}
