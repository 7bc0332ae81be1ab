package status

import (
	"runtime"
	"time"

	victoria "github.com/VictoriaMetrics/metrics"
)

// metrics are what is counted when it happens. Names, labels and buckets that begin with gitlab_runner are
// gitlab-runner's, so that dashboards made for it work.
type metrics struct {
	set  *victoria.Set
	help map[string]string // of each name

	jobs, failed, queueExceeded             family
	duration, queued                        family
	queueSize, queueDepth                   family
	calls, attempts                         family
	callSeconds                             family
	feeds, feedFailures, refusals, failures family
	requestsExceeded, slotOperations, modes family
	configLoaded, configRefused             *victoria.Counter
	configSaved, configUnsaved              *victoria.Counter
	inputs                                  *victoria.Counter
	inputFailures                           family
	startup, stages                         family
	removed, engineDisk                     family
}

// mode is the only way in which jobs are run here, in gitlab-runner's words: not as native steps.
const mode = "traditional"

func newMetrics(o Options) *metrics {
	victoria.ExposeMetadata(true) // types of metrics
	m := &metrics{set: victoria.NewSet(), help: map[string]string{}}
	runner := []string{"runner", "runner_name", "system_id"}
	with := func(more ...string) []string { return append(append([]string{}, runner...), more...) }
	m.jobs = m.family("gitlab_runner_jobs_total", "Jobs taken.", nil, runner...)
	m.failed = m.family("gitlab_runner_failed_jobs_total", "Jobs that failed, by the reason told to GitLab.", nil, "runner", "runner_name", "failure_reason", "mode")
	m.modes = m.family("gitlab_runner_job_execution_mode_total", "Jobs taken, by how they are run.", nil, "mode", "executor")
	m.queueExceeded = m.family("gitlab_runner_acceptable_job_queuing_duration_exceeded_total", "Always 0: there are no thresholds.", nil, runner...)
	m.duration = m.family("gitlab_runner_job_duration_seconds", "How long jobs ran.",
		[]float64{30, 60, 300, 600, 1800, 3600, 7200, 10800, 18000, 36000}, with("mode")...)
	m.queued = m.family("gitlab_runner_job_queue_duration_seconds", "How long jobs waited in GitLab.",
		[]float64{1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600}, with("project_jobs_running")...)
	m.queueSize = m.family("gitlab_runner_job_queue_size", "Size of the runner's queue in GitLab at the last job.", nil, runner...)
	m.queueDepth = m.family("gitlab_runner_job_queue_depth", "Place of the last job in the runner's queue in GitLab.", nil, runner...)
	m.calls = m.family("gitlab_runner_api_request_statuses_total", "Answers of GitLab; status -1 is none.", nil, "runner", "system_id", "endpoint", "status", "method")
	m.callSeconds = m.family("gitlab_runner_api_request_duration_seconds", "How long requests to GitLab took.",
		[]float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "runner", "system_id", "endpoint", "status_class", "method")
	m.attempts = m.family("gitlab_runner_api_request_retries_total", "Requests to GitLab, each attempt of one counted.", nil, "path", "method")
	m.feeds = m.family("gitlab_runner_worker_feeds_total", "How often a runner was about to ask for a job.", nil, runner...)
	m.feedFailures = m.family("gitlab_runner_worker_feed_failures_total", "How often that failed.", nil, runner...)
	m.refusals = m.family("gitlab_runner_worker_health_check_failures_total", "How often GitLab refused the runner.", nil, runner...)
	m.failures = m.family("gitlab_runner_worker_processing_failures_total", "Jobs that failed.", nil, with("failure_type")...)
	m.requestsExceeded = m.family("gitlab_runner_request_concurrency_exceeded_total", "Always 0: request_concurrency is never exceeded.", nil, "runner", "system_id")
	m.slotOperations = m.family("gitlab_runner_worker_slot_operations_total", "Slots that came and went with concurrent.", nil, "operation")
	m.inputFailures = m.family("gitlab_runner_job_inputs_interpolation_failures_total", "Jobs whose inputs could not be put in.", nil, "error_type")
	m.stages = m.family("gitlab_runner_job_stage_duration_seconds", "How long the stages of jobs took, which overlap before the script.",
		[]float64{1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600}, with("stage")...)
	m.removed = m.family("lced_janitor_removed_total", "What was removed from the engine: images and volumes because its disk filled up, and orphans.", nil, "engine", "kind")
	m.engineDisk = m.family("lced_engine_disk_free_bytes", "What is free on the disk of a Docker engine of this machine; -1 if it cannot be told.", nil, "engine")
	m.startup = m.family("lced_job_startup_seconds", "How long the parts of a job's start-up took, which overlap; total is until the script's first line.",
		[]float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120}, "phase")
	m.count()
	m.family("gitlab_runner_version_info", "What runs here; always 1.", nil, "name", "version", "revision", "branch", "go_version", "built_at", "os", "architecture").
		gauge("lced-runner", o.Version, o.Revision, "", runtime.Version(), "", runtime.GOOS, runtime.GOARCH).Set(1)
	for _, operation := range []string{"started", "stopped"} {
		m.slotOperations.counter(operation)
	}
	for _, kind := range []string{"parse", "evaluation"} {
		m.inputFailures.counter(kind)
	}
	return m
}

// family names a metric and says what it is; bounds are those of a histogram's buckets.
func (m *metrics) family(name, help string, bounds []float64, labels ...string) family {
	m.help[name] = help
	return family{set: m.set, name: name, labels: labels, bounds: bounds}
}

// count makes the counters without labels.
func (m *metrics) count() {
	counter := func(name, help string) *victoria.Counter {
		return m.family("gitlab_runner_"+name+"_total", help, nil).counter()
	}
	m.configLoaded = counter("configuration_loaded", "Configurations that were taken into use.")
	m.configRefused = counter("configuration_loading_error", "Configurations that could not be used.")
	m.configSaved = counter("configuration_saved", "Configuration files written.")
	m.configUnsaved = counter("configuration_saving_error", "Configuration files that could not be written.")
	m.inputs = counter("job_inputs_interpolations", "Texts of jobs into which inputs were put.")
}

// introduce has the counters of a runner at 0, so that a rate over them begins with the first event.
func (m *metrics) introduce(r *Runner) {
	l := r.labels()
	for _, c := range []family{m.jobs, m.queueExceeded, m.feeds, m.feedFailures, m.refusals} {
		c.counter(l...)
	}
	m.requestsExceeded.counter(r.ShortToken, r.board.SystemID)
}

// slots counts how concurrent has changed.
func (m *metrics) slots(more int) {
	operation := "started"
	if more < 0 {
		operation, more = "stopped", -more
	}
	m.slotOperations.counter(operation).Add(more)
}

func (m *metrics) received(r *Runner, f Facts) {
	l := r.labels()
	m.jobs.counter(l...).Inc()
	m.modes.counter(mode, "docker").Inc()
	if f.Queued > 0 {
		m.queued.histogram(append(l, f.ProjectJobs)...).Update(f.Queued.Seconds())
	}
	m.queueSize.gauge(l...).Set(float64(f.QueueSize))
	m.queueDepth.gauge(l...).Set(float64(f.QueueDepth))
}

func (m *metrics) ended(r *Runner, reason string, took time.Duration) {
	l := r.labels()
	m.duration.histogram(append(l, mode)...).Update(took.Seconds())
	if reason == "" {
		return
	}
	m.failed.counter(r.ShortToken, r.Name, reason, mode).Inc()
	kind := "other"
	if reason == "script_failure" {
		kind = "job_failure"
	}
	m.failures.counter(append(l, kind)...).Inc()
}
