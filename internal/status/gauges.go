package status

// gauges are what is looked up when metrics are asked for.
type gauges struct{ board *Board }

func (g gauges) look() series {
	all, b := series{}, g.board
	b.mu.Lock()
	defer b.mu.Unlock()
	gauge := all.gauge
	gauge("gitlab_runner_concurrent", "The configuration's concurrent.", float64(b.concurrent))
	gauge("gitlab_runner_worker_slots_number", "How many jobs may run at once.", float64(b.concurrent))
	for _, p := range []Phase{Starting, Running, Draining, Ending} {
		gauge("gitlab_runner_process_state_info", "1 for the state that the process is in.", truth(p == b.phase), "state", string(p))
	}
	var warnings, errors uint64
	if b.LogLines != nil {
		warnings, errors = b.LogLines()
	}
	for level, n := range map[string]uint64{"panic": 0, "fatal": 0, "error": errors, "warning": warnings} {
		all.add("counter", "gitlab_runner_errors_total", "Lines of the operator's log.", float64(n), "level", level)
	}
	for _, r := range b.runners {
		g.runner(gauge, r)
	}
	if disk, err := look(b.StateDir); err == nil {
		gauge("lced_journal_entries", "Jobs whose ending GitLab does not know yet.", float64(disk.Journal))
		gauge("lced_spool_bytes", "Size of the job logs on this disk.", float64(disk.SpoolBytes))
		gauge("lced_disk_free_bytes", "What is free on the disk of the state directory.", float64(disk.FreeBytes))
	}
	all.process()
	return all
}

func (g gauges) runner(gauge func(name, help string, value float64, labels ...string), r *Runner) {
	b := g.board
	short := []string{"runner", r.ShortToken, "system_id", b.SystemID}
	long := append([]string{"runner_name", r.Name}, short...)
	with := func(more ...string) []string { return append(append([]string{}, long...), more...) }
	gauge("gitlab_runner_limit", "The configuration's limit; 0 is none of its own.", float64(r.limits.Jobs), long...)
	for name, value := range map[string]int{"": r.asking, "_hard_limit": r.limits.Requests, "_adaptive_limit": r.limits.Requests, "_used_limit": r.limits.Requests} {
		gauge("gitlab_runner_request_concurrency"+name, "Requests for a job that may wait, or do, at GitLab.", float64(value), short...)
	}
	const jobs, help = "gitlab_runner_jobs", "Jobs that run."
	if r.inUse == 0 {
		gauge(jobs, help, 0, with("state", "", "stage", "", "executor_stage", "")...)
	}
	stages := map[string]int{}
	for _, j := range b.jobs {
		if j.runner == r {
			stages[j.stage]++
		}
	}
	for stage, n := range stages {
		gauge(jobs, help, float64(n), with("state", "running", "stage", stage, "executor_stage", executorStage(stage))...)
	}
	gauge("lced_engine_up", "1 when the runner's Docker engine answered last.", truth(r.engineUp), with("engine", r.engine)...)
	if !r.answered.IsZero() {
		gauge("lced_gitlab_last_answer_timestamp_seconds", "When GitLab last answered a request for a job.", float64(r.answered.Unix()), long...)
	}
	gauge("lced_gitlab_up", "1 when GitLab answered the last request for a job.", truth(r.problem == "" && !r.answered.IsZero()), long...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
