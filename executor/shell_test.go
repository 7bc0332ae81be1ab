package executor

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVerdict is the table of what a script's marks, its container's exit code and the delivery mean together.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		started, ended bool
		marked         int   // exit code in the end line
		code           int64 // of the container
		write          error // of the delivery
		oom            bool
		want           error // nil is success
		nothingRan     bool
	}{
		{name: "success", started: true, ended: true},
		{name: "success, although the shell was killed on its way out", started: true, ended: true, code: 137},
		{name: "failure", started: true, ended: true, marked: 3, code: 3, want: &ExitError{Stage: "step_script", Code: 3}},
		{name: "failure by its own 137", started: true, ended: true, marked: 137, code: 137, want: &ExitError{Stage: "step_script", Code: 137}},
		{name: "out of memory in the script", started: true, ended: true, marked: 137, code: 137, oom: true, want: &ExitError{Stage: "step_script", Code: 137, OOMKilled: true}},
		{name: "shell killed", started: true, code: 137, want: &ExitError{Stage: "step_script", Code: 137}},
		{name: "shell out of memory", started: true, code: 137, oom: true, want: &ExitError{Stage: "step_script", Code: 137, OOMKilled: true}},
		{name: "exit code 0 without the end", started: true, want: errors.New("the script's shell in container c ended with exit code 0 but not by the end of the script")},
		{name: "exit code 0 without a beginning", nothingRan: true},
		{name: "syntax error in half a script", code: 2, nothingRan: true},
		{name: "the container ended before it took the script", code: 0, write: io.ErrClosedPipe, nothingRan: true},
		{name: "no shell", code: 1, write: io.ErrClosedPipe, nothingRan: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"Id":"c","State":{"Status":"exited","OOMKilled":%v}}`, test.oom)
			})
			s := &shell{on: e.containers, id: "c", name: "c"}
			m := &marks{started: test.started, ended: test.ended, code: test.marked}
			err := s.verdict(t.Context(), &armed{marks: m}, "step_script", test.code, test.write)
			if test.nothingRan {
				if !errors.Is(err, errNothingRan) || test.write != nil && !errors.Is(err, test.write) {
					t.Errorf("got %v, want that nothing ran", err)
				}
				return
			}
			if diff := cmp.Diff(describe(test.want), describe(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// describe tells all of an error.
func describe(err error) string {
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return fmt.Sprintf("%+v", *exit)
	}
	return fmt.Sprint(err)
}
