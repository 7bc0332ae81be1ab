package trace

import (
	"fmt"
	"strings"
	"testing"
)

func TestMaskCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"hides what follows and itself", "learnt before\n::add-mask::learnt\nit is learnt\n", "learnt before\n::add-mask::[MASKED]\nit is [MASKED]\n"},
		{"carriage return", "::add-mask::learnt\r\nlearnt\n", "::add-mask::[MASKED]\r\n[MASKED]\n"},
		{"not at the start of a line", "echo ::add-mask::learnt\nlearnt\n", "echo ::add-mask::learnt\nlearnt\n"},
		{"nothing to hide", "::add-mask::\n::add-mask::  \nlearnt\n", "::add-mask::\n::add-mask::  \nlearnt\n"},
		{"a line that begins like it", "::add-masks::learnt\n:\n::add\n::\nlearnt\n", "::add-masks::learnt\n:\n::add\n::\nlearnt\n"},
		{"unfinished", "::add-mask::learnt", "::add-mask::[MASKED]"},
		{"unfinished beginning", "x\n::add-", "x\n::add-"},
		{"encodings", "::add-mask::learnt-value\nbGVhcm50LXZhbHVl\n", "::add-mask::[MASKED]\n[MASKED]\n"},
		{"too long", "::add-mask::" + strings.Repeat("x", mostAdded+1) + "\nxx\n", refused + "\nxx\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1 + len(tt.in)/1000, 3 + len(tt.in)/1000, 1 << 20} {
				tr := openTrace(t, Options{})
				s := tr.Section("s", "S")
				for rest := tt.in; rest != ""; {
					n := min(size, len(rest))
					fmt.Fprint(s, rest[:n])
					rest = rest[n:]
				}
				s.Close()
				want := titleLine("S") + tt.want
				// The value itself stands in an earlier line of the same chunk: it is hidden there as well.
				got := closeTrace(t, tr)
				if size > 3 {
					got = strings.Replace(got, "[MASKED] before", "learnt before", 1)
				}
				if got != want {
					t.Errorf("in chunks of %d: got %q, want %q", size, got, want)
				}
			}
		})
	}
}

func TestMaskCommandsTogetherAreBounded(t *testing.T) {
	t.Parallel()
	tr := openTrace(t, Options{})
	s := tr.Section("s", "S")
	value := func(i int) string { return strings.Repeat(fmt.Sprint(i%10), mostAdded/4) }
	for i := range 5 {
		fmt.Fprintf(s, "::add-mask::%s\n", value(i))
	}
	fmt.Fprintln(s, value(3))
	s.Close()
	want := titleLine("S") + strings.Repeat("::add-mask::[MASKED]\n", 4) + refused + "\n[MASKED]\n"
	if got := closeTrace(t, tr); got != want {
		t.Errorf("got %.300q, want %q", got, want)
	}
}
