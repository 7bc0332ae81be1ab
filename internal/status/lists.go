package status

import (
	"fmt"
	"strings"
	"time"
)

// jobsList is /debug/jobs/list, in gitlab-runner's form.
func jobsList(r Report, now time.Time) string {
	var out strings.Builder
	for _, j := range r.Jobs {
		fmt.Fprintf(&out, "url=%s state=running stage=%s executor_stage=%s duration=%s\n", j.URL, j.Stage, executorStage(j.Stage), now.Sub(j.Begun))
	}
	return out.String()
}

// reasons is the body of the answers about health: what is wrong, one line for each.
func reasons(ok bool, r Report) string {
	if ok {
		return "ok\n"
	}
	return strings.Join(r.WhyNoJob, "\n") + "\n"
}

// Text is a report for people at a terminal.
func (r Report) Text(now time.Time) string {
	var out strings.Builder
	ago := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() }
	fmt.Fprintf(&out, "lced-runner %s (%s), system id %s: %s for %s\n", r.Version, r.Revision, r.SystemID, r.Process, ago(r.Begun))
	fmt.Fprintf(&out, "configuration %s, read %s ago\n", r.ConfigFile, ago(r.Loaded))
	if r.Refusal != "" {
		fmt.Fprintf(&out, "  a change of it is not in use: %s\n", r.Refusal)
	}
	fmt.Fprintf(&out, "jobs: %d of %d\n", len(r.Jobs), r.Concurrent)
	for _, j := range r.Jobs {
		fmt.Fprintf(&out, "  %d %s (%s): %s for %s, runs for %s, runner %s %s\n", j.ID, j.Name, j.Project, j.Stage, ago(j.Since), ago(j.Begun), j.Runner, j.URL)
	}
	fmt.Fprintln(&out, "runners:")
	for _, one := range r.Runners {
		fmt.Fprintf(&out, "  %s (%s, %s): %d jobs, %s\n", one.Name, one.ShortToken, one.URL, one.Running, one.Doing)
	}
	fmt.Fprintln(&out, "on the engine:")
	for _, k := range r.Kept {
		fmt.Fprintf(&out, "  %s %s %s%s\n", k.Kind, k.Name, k.State, ofJob(k.Job))
	}
	switch {
	case r.KeptError != "":
		fmt.Fprintf(&out, "  unknown: %s\n", r.KeptError)
	case len(r.Kept) == 0:
		fmt.Fprintln(&out, "  nothing")
	}
	fmt.Fprintf(&out, "disk: %d jobs in the journal, %d bytes of logs, %d MiB free\n", r.Disk.Journal, r.Disk.SpoolBytes, r.Disk.FreeBytes>>20)
	for _, why := range r.WhyNoJob {
		fmt.Fprintf(&out, "takes no job now: %s\n", why)
	}
	return out.String()
}

func ofJob(id string) string {
	if id == "" {
		return ""
	}
	return " of job " + id
}
