package status

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// read is what Prometheus understands of what is served.
func read(t *testing.T, b *Board) map[string]*dto.MetricFamily {
	t.Helper()
	_, text := get(t, b, nil, "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for name, f := range families {
		if f.GetHelp() == "" || f.GetType() == dto.MetricType_UNTYPED {
			t.Errorf("%s is of type %s, and its help is %q", name, f.GetType(), f.GetHelp())
		}
	}
	return families
}

// TestNames compares the whole of what is served under gitlab-runner's names with what its dashboards count on: names,
// types, labels, and the bounds of buckets. Neither may have anything that the other lacks.
func TestNames(t *testing.T) {
	t.Parallel()
	const long, short = "runner runner_name system_id", "runner system_id"
	want := map[string]string{
		"version_info":                      "gauge architecture branch built_at go_version name os revision version",
		"jobs":                              "gauge executor_stage runner runner_name stage state system_id",
		"jobs_total":                        "counter " + long,
		"failed_jobs_total":                 "counter failure_reason mode runner runner_name",
		"job_duration_seconds":              "histogram mode " + long + " 30 60 300 600 1800 3600 7200 10800 18000 36000",
		"job_queue_size":                    "gauge " + long,
		"job_queue_depth":                   "gauge " + long,
		"concurrent":                        "gauge",
		"limit":                             "gauge " + long,
		"errors_total":                      "counter level",
		"worker_slots_number":               "gauge",
		"process_state_info":                "gauge state",
		"request_concurrency":               "gauge " + short,
		"worker_feeds_total":                "counter " + long,
		"configuration_saved_total":         "counter",
		"configuration_loaded_total":        "counter",
		"configuration_saving_error_total":  "counter",
		"configuration_loading_error_total": "counter",
		"job_execution_mode_total":          "counter executor mode",
		"job_queue_duration_seconds":        "histogram project_jobs_running " + long + " 1 3 10 30 60 120 300 900 1800 3600",
		"job_stage_duration_seconds":        "histogram " + "runner runner_name stage system_id" + " 1 3 10 30 60 120 300 900 1800 3600",
		"job_inputs_interpolations_total":   "counter",
		"api_request_statuses_total":        "counter endpoint method runner status system_id",
		"api_request_retries_total":         "counter method path",
		"api_request_duration_seconds":      "histogram endpoint method runner status_class system_id 0.1 0.25 0.5 1 2.5 5 10 30 60",
		"worker_feed_failures_total":        "counter " + long,
		"worker_slot_operations_total":      "counter operation",
		"worker_processing_failures_total":  "counter failure_type " + long,

		"job_inputs_interpolation_failures_total":        "counter error_type",
		"acceptable_job_queuing_duration_exceeded_total": "counter " + long,
		"request_concurrency_exceeded_total":             "counter " + short,
		"request_concurrency_hard_limit":                 "gauge " + short,
		"request_concurrency_adaptive_limit":             "gauge " + short,
		"request_concurrency_used_limit":                 "gauge " + short,
		"worker_health_check_failures_total":             "counter " + long,
	}
	b, busy, free, j := two(t)
	busy.Called(Call{"request_job", "POST", 201, time.Second})
	free.Pauses(errors.New("no"), true, time.Hour)
	j.Measure("step_script")()
	j.End("script_failure")
	got := map[string]string{}
	for _, f := range read(t, b) {
		name, is := strings.CutPrefix(f.GetName(), "gitlab_runner_")
		if !is {
			continue
		}
		shapes := map[string]bool{} // all series of one must have the same
		for _, m := range f.GetMetric() {
			parts := []string{strings.ToLower(f.GetType().String())}
			for _, l := range m.GetLabel() {
				parts = append(parts, l.GetName())
			}
			slices.Sort(parts[1:])
			for _, b := range m.GetHistogram().GetBucket() {
				if bound := b.GetUpperBound(); !math.IsInf(bound, 1) {
					parts = append(parts, fmt.Sprint(bound))
				}
			}
			shapes[strings.Join(parts, " ")] = true
		}
		got[name] = strings.Join(slices.Sorted(maps.Keys(shapes)), " or ")
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("gitlab_runner_%s is %q, want %q", name, got[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if want[name] == "" {
			t.Errorf("gitlab_runner_%s is none of gitlab-runner's", name)
		}
	}
}

// TestLabelsMayBeAnything: a runner's name is the user's, and one that Prometheus cannot read would cost all metrics.
func TestLabelsMayBeAnything(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	r := b.Runner(Identity{Name: "a\"b\\c\nd,e=\"f\"} \xff1"}, Limits{}, "")
	b.Configured(1, []*Runner{r})
	r.Waits()
	for _, family := range []string{"gitlab_runner_worker_feeds_total", "gitlab_runner_limit"} {
		series := read(t, b)[family].GetMetric()
		if len(series) != 1 || len(series[0].GetLabel()) != 3 || !slices.ContainsFunc(series[0].GetLabel(), func(l *dto.LabelPair) bool {
			return l.GetName() == "runner_name" && l.GetValue() == "a\"b\\c\nd,e=\"f\"} \uFFFD1"
		}) {
			t.Errorf("%s: %v", family, series)
		}
	}
}
