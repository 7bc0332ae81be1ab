package dind

import (
	"os"
	"strings"
	"testing"
)

// TestTroubleshooting keeps docs/troubleshooting.md, which lists every sentence of the diagnosis, true.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(daemonSymptoms(), clientSymptoms()...) {
		if !strings.Contains(string(text), "| `"+s.signs[0]+"`") || !strings.Contains(string(text), "| "+s.sentence+" |") {
			t.Errorf("docs/troubleshooting.md lacks the row of %q: %s", s.signs[0], s.sentence)
		}
	}
}
