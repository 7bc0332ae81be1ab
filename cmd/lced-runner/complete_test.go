package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestCompletion asks as the scripts of `completion` do.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, want string }{
		{"re", "register"},
		{"run-single --docker-pull-policy ", "always if-not-present never"},
		{"register --docker-privileged=", "true false"},
		{"register --access-level ", "not_protected ref_protected"},
		{"run --log-format ", "runner text json"},
		{"unregister --all", "--all-runners"},
	} {
		var out bytes.Buffer
		root := newRoot(&globals{})
		root.SetArgs(append([]string{"__complete"}, strings.Split(test.line, " ")...))
		root.SetOut(&out)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, want := range strings.Fields(test.want) {
			if !strings.Contains("\n"+out.String(), "\n"+want) {
				t.Errorf("%q is completed by %q, want %q among it", test.line, out.String(), want)
			}
		}
	}
}
