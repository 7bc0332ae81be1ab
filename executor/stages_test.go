package executor

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// TestLateAfterScript has an after_script that takes longer than its limit: where it matters the job ends with that limit, also
// for a process that reads it from the job's state.
func TestLateAfterScript(t *testing.T) {
	t.Parallel()
	for _, matters := range []bool{false, true} {
		c := leftContainer{running: true, again: true, out: []string{"\x1eN+\n"}}
		j := resumed(c.engine(t), State{Ready: true, Build: "build", Next: 1, Begun: true, Started: true}, false, discard{})
		j.plan.After, j.plan.AfterTimeout, j.plan.AfterMatters = &Step{Section: "after_script"}, time.Nanosecond, matters
		err := j.Run(t.Context(), t.Context())
		text, jsonErr := json.Marshal(j.state)
		var read State
		if err := errors.Join(jsonErr, json.Unmarshal(text, &read)); err != nil {
			t.Fatal(err)
		}
		if !matters {
			if err != nil || read.Result != nil {
				t.Errorf("error %v, state %s", err, text)
			}
			continue
		}
		for _, err := range []error{err, read.Result.err()} {
			late, _ := errors.AsType[*LimitError](err)
			if late == nil || late.Part != "after_script" || late.Limit != time.Nanosecond {
				t.Errorf("error %v, state %s", err, text)
			}
		}
	}
}
