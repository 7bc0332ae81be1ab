package status

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what is counted when it happens. Names, labels and buckets that begin with gitlab_runner are
// gitlab-runner's, so that dashboards made for it work.
type metrics struct {
	jobs, failed, queueExceeded             *prometheus.CounterVec
	duration, queued                        *prometheus.HistogramVec
	queueSize, queueDepth                   *prometheus.GaugeVec
	calls, attempts                         *prometheus.CounterVec
	callSeconds                             *prometheus.HistogramVec
	feeds, feedFailures, refusals, failures *prometheus.CounterVec
	requestsExceeded, slotOperations, modes *prometheus.CounterVec
	configLoaded, configRefused             prometheus.Counter
	configSaved, configUnsaved              prometheus.Counter
	inputs                                  prometheus.Counter
	inputFailures                           *prometheus.CounterVec
	startup, stages                         *prometheus.HistogramVec
	removed                                 *prometheus.CounterVec
}

// mode is the only way in which jobs are run here, in gitlab-runner's words: not as native steps.
const mode = "traditional"

func newMetrics(registry *prometheus.Registry, o Options) *metrics {
	runner := []string{"runner", "runner_name", "system_id"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		registry.MustRegister(h)
		return h
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		registry.MustRegister(g)
		return g
	}
	with := func(more ...string) []string { return append(append([]string{}, runner...), more...) }
	m := &metrics{
		jobs:          counter("gitlab_runner_jobs_total", "Jobs taken.", runner...),
		failed:        counter("gitlab_runner_failed_jobs_total", "Jobs that failed, by the reason told to GitLab.", "runner", "runner_name", "failure_reason", "mode"),
		modes:         counter("gitlab_runner_job_execution_mode_total", "Jobs taken, by how they are run.", "mode", "executor"),
		queueExceeded: counter("gitlab_runner_acceptable_job_queuing_duration_exceeded_total", "Always 0: there are no thresholds.", runner...),
		duration: histogram("gitlab_runner_job_duration_seconds", "How long jobs ran.",
			[]float64{30, 60, 300, 600, 1800, 3600, 7200, 10800, 18000, 36000}, with("mode")...),
		queued: histogram("gitlab_runner_job_queue_duration_seconds", "How long jobs waited in GitLab.",
			[]float64{1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600}, with("project_jobs_running")...),
		queueSize:  gauge("gitlab_runner_job_queue_size", "Size of the runner's queue in GitLab at the last job.", runner...),
		queueDepth: gauge("gitlab_runner_job_queue_depth", "Place of the last job in the runner's queue in GitLab.", runner...),
		calls:      counter("gitlab_runner_api_request_statuses_total", "Answers of GitLab; status -1 is none.", "runner", "system_id", "endpoint", "status", "method"),
		callSeconds: histogram("gitlab_runner_api_request_duration_seconds", "How long requests to GitLab took.",
			[]float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "runner", "system_id", "endpoint", "status_class", "method"),
		attempts:         counter("gitlab_runner_api_request_retries_total", "Requests to GitLab, each attempt of one counted.", "path", "method"),
		feeds:            counter("gitlab_runner_worker_feeds_total", "How often a runner was about to ask for a job.", runner...),
		feedFailures:     counter("gitlab_runner_worker_feed_failures_total", "How often that failed.", runner...),
		refusals:         counter("gitlab_runner_worker_health_check_failures_total", "How often GitLab refused the runner.", runner...),
		failures:         counter("gitlab_runner_worker_processing_failures_total", "Jobs that failed.", with("failure_type")...),
		requestsExceeded: counter("gitlab_runner_request_concurrency_exceeded_total", "Always 0: request_concurrency is never exceeded.", "runner", "system_id"),
		slotOperations:   counter("gitlab_runner_worker_slot_operations_total", "Slots that came and went with concurrent.", "operation"),
		inputFailures:    counter("gitlab_runner_job_inputs_interpolation_failures_total", "Jobs whose inputs could not be put in.", "error_type"),
		stages: histogram("gitlab_runner_job_stage_duration_seconds", "How long the stages of jobs took, which overlap before the script.",
			[]float64{1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600}, with("stage")...),
		removed: counter("lced_janitor_removed_total", "What was removed from the engine: images and volumes because its disk filled up, and orphans.", "engine", "kind"),
		startup: histogram("lced_job_startup_seconds", "How long the parts of a job's start-up took, which overlap; total is until the script's first line.",
			[]float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120}, "phase"),
	}
	m.count(registry)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), versionInfo(o))
	for _, operation := range []string{"started", "stopped"} {
		m.slotOperations.WithLabelValues(operation)
	}
	for _, kind := range []string{"parse", "evaluation"} {
		m.inputFailures.WithLabelValues(kind)
	}
	return m
}

// count makes the counters without labels.
func (m *metrics) count(registry *prometheus.Registry) {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "gitlab_runner_" + name + "_total", Help: help})
		registry.MustRegister(c)
		return c
	}
	m.configLoaded = counter("configuration_loaded", "Configurations that were taken into use.")
	m.configRefused = counter("configuration_loading_error", "Configurations that could not be used.")
	m.configSaved = counter("configuration_saved", "Configuration files written.")
	m.configUnsaved = counter("configuration_saving_error", "Configuration files that could not be written.")
	m.inputs = counter("job_inputs_interpolations", "Texts of jobs into which inputs were put.")
}

func versionInfo(o Options) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gitlab_runner_version_info", Help: "What runs here; always 1."},
		[]string{"name", "version", "revision", "branch", "go_version", "built_at", "os", "architecture"})
	g.WithLabelValues("lced-runner", o.Version, o.Revision, "", runtime.Version(), "", runtime.GOOS, runtime.GOARCH).Set(1)
	return g
}

// introduce has the counters of a runner at 0, so that a rate over them begins with the first event.
func (m *metrics) introduce(r *Runner) {
	l := r.labels()
	for _, c := range []*prometheus.CounterVec{m.jobs, m.queueExceeded, m.feeds, m.feedFailures, m.refusals} {
		c.WithLabelValues(l...)
	}
	m.requestsExceeded.WithLabelValues(r.ShortToken, r.board.SystemID)
}

// slots counts how concurrent has changed.
func (m *metrics) slots(more int) {
	operation := "started"
	if more < 0 {
		operation, more = "stopped", -more
	}
	m.slotOperations.WithLabelValues(operation).Add(float64(more))
}

func (m *metrics) received(r *Runner, f Facts) {
	l := r.labels()
	m.jobs.WithLabelValues(l...).Inc()
	m.modes.WithLabelValues(mode, "docker").Inc()
	if f.Queued > 0 {
		m.queued.WithLabelValues(append(l, f.ProjectJobs)...).Observe(f.Queued.Seconds())
	}
	m.queueSize.WithLabelValues(l...).Set(float64(f.QueueSize))
	m.queueDepth.WithLabelValues(l...).Set(float64(f.QueueDepth))
}

func (m *metrics) ended(r *Runner, reason string, took time.Duration) {
	l := r.labels()
	m.duration.WithLabelValues(append(l, mode)...).Observe(took.Seconds())
	if reason == "" {
		return
	}
	m.failed.WithLabelValues(r.ShortToken, r.Name, reason, mode).Inc()
	kind := "other"
	if reason == "script_failure" {
		kind = "job_failure"
	}
	m.failures.WithLabelValues(append(l, kind)...).Inc()
}
