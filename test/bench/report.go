package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// result is what was measured of one case.
type result struct {
	ours, floor []sample
	jobs        []string // ids of the runner's jobs, the round that is not counted included
}

// report prints a Markdown table, then every figure. rounds includes the one that is not counted, whose containers are.
func report(w io.Writer, results []result, c *counts, rounds int) {
	fmt.Fprintln(w, "Seconds: median (lowest to highest). Ratio: to the floor's in the same round, median. Containers: created / started for each job.")
	fmt.Fprintln(w, "\n| case | | first output | ratio | end | ratio | containers |\n|---|---|---|---|---|---|---|")
	var raw strings.Builder
	for i, b := range benchmarks() {
		r := results[i]
		created, started := c.of(r.jobs...)
		row(w, b.name, "lced-runner", r.ours, r.floor, created, started, len(r.jobs))
		created, started = c.of(b.name)
		row(w, "", "floor", r.floor, r.floor, created, started, b.jobs*rounds)
		for _, side := range []struct {
			name    string
			samples []sample
		}{{"lced-runner", r.ours}, {"floor", r.floor}} {
			fmt.Fprintf(&raw, "%s, %s, first output: %s\n", b.name, side.name, list(firsts(side.samples)))
			fmt.Fprintf(&raw, "%s, %s, end: %s\n", b.name, side.name, list(ends(side.samples)))
		}
	}
	fmt.Fprintf(w, "\nAll figures, in the order of rounds:\n\n%s", raw.String())
}

func row(w io.Writer, name, side string, samples, floor []sample, created, started, jobs int) {
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %.1f / %.1f |\n", name, side,
		spread(firsts(samples)), ratio(firsts(samples), firsts(floor)), spread(ends(samples)), ratio(ends(samples), ends(floor)),
		float64(created)/float64(jobs), float64(started)/float64(jobs))
}

func firsts(samples []sample) []time.Duration {
	var all []time.Duration
	for _, s := range samples {
		all = append(all, s.first)
	}
	return all
}

func ends(samples []sample) []time.Duration {
	var all []time.Duration
	for _, s := range samples {
		all = append(all, s.end)
	}
	return all
}

// median is the middle one; of an even number, the higher of the two.
func median[T cmp.Ordered](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func spread(all []time.Duration) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(all).Seconds(), slices.Min(all).Seconds(), slices.Max(all).Seconds())
}

// ratio is the median of the rounds' own ratios: what else the machine did in a round weighed on both sides of it.
func ratio(all, floor []time.Duration) string {
	var ratios []float64
	for round := range all {
		ratios = append(ratios, float64(all[round])/float64(floor[round]))
	}
	return fmt.Sprintf("%.2f", median(ratios))
}

func list(all []time.Duration) string {
	var texts []string
	for _, d := range all {
		texts = append(texts, fmt.Sprintf("%.2f", d.Seconds()))
	}
	return strings.Join(texts, " ")
}
