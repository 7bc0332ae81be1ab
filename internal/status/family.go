package status

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	victoria "github.com/VictoriaMetrics/metrics"
)

// family is one metric: a name, what it says, and series that differ by their labels. A series is there from the first mention of it on.
type family struct {
	set    *victoria.Set
	name   string
	labels []string
	bounds []float64 // of a histogram's buckets
}

func (f family) counter(values ...string) *victoria.Counter {
	return f.set.GetOrCreateCounter(seriesName(f.name, f.labels, values))
}

func (f family) gauge(values ...string) *victoria.Gauge {
	return f.set.GetOrCreateGauge(seriesName(f.name, f.labels, values), nil)
}

// lookedUp has a gauge's value told when it is asked for; the first way to tell it stays.
func (f family) lookedUp(value func() float64, values ...string) {
	f.set.GetOrCreateGauge(seriesName(f.name, f.labels, values), value)
}

func (f family) histogram(values ...string) *victoria.PrometheusHistogram {
	return f.set.GetOrCreatePrometheusHistogramExt(seriesName(f.name, f.labels, values), f.bounds)
}

// seriesName is how Prometheus writes a series: its labels, in the order of their names, with their values.
func seriesName(name string, labels, values []string) string {
	if len(labels) == 0 {
		return name
	}
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	pairs := make([]string, len(labels))
	for i, label := range labels {
		pairs[i] = fmt.Sprintf(`%s="%s"`, label, escaped.Replace(strings.ToValidUTF8(values[i], "\uFFFD")))
	}
	slices.Sort(pairs)
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// series are values by the names of their series. Two tables of the configuration may have the same labels; their values add up.
type series map[string]*sample

type sample struct {
	family, kind, help string
	value              float64
}

// add takes labels as name, value, name, value and so on.
func (s series) add(kind, name, help string, value float64, labels ...string) {
	var names, values []string
	for pair := range slices.Chunk(labels, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	key := seriesName(name, names, values)
	if s[key] == nil {
		s[key] = &sample{family: name, kind: kind, help: help}
	}
	s[key].value += value
}

func (s series) gauge(name, help string, value float64, labels ...string) {
	s.add("gauge", name, help, value, labels...)
}

// write writes the families one after the other: Prometheus refuses a family that comes twice.
func (s series) write(w io.Writer) {
	last := ""
	for _, name := range slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return strings.Compare(s[a].family+"{"+a, s[b].family+"{"+b)
	}) {
		one := s[name]
		if one.family != last {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", one.family, one.help, one.family, one.kind)
			last = one.family
		}
		fmt.Fprintf(w, "%s %v\n", name, one.value)
	}
}

// expose answers with all metrics in Prometheus' text format.
func (m *metrics) expose(w http.ResponseWriter, looked series) {
	var plain, explained bytes.Buffer
	m.set.WritePrometheus(&plain)
	victoria.WriteProcessMetrics(&plain)
	victoria.WriteFDMetrics(&plain)
	for line := range bytes.Lines(plain.Bytes()) { // the library names a metric where its help belongs
		if name, is := strings.CutPrefix(string(line), "# HELP "); is {
			line = fmt.Appendf(nil, "# HELP %s %s\n", strings.TrimSpace(name), m.helpOf(strings.TrimSpace(name)))
		}
		explained.Write(line)
	}
	looked.write(&explained)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = explained.WriteTo(w)
}

func (m *metrics) helpOf(name string) string {
	if help, known := m.help[name]; known {
		return help
	}
	return "Of the process, or of Go's runtime in it."
}
