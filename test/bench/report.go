package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is everything that was measured.
type report struct {
	cases   []benchmark
	results []result
	starts  map[string]time.Duration
	idle    map[string]idling
	peaks   map[string]int64
}

// order is that in which a table names the sides.
func order() []string { return []string{ours, stock, warm, peer, theFloor} }

// write prints Markdown tables, then every figure.
func (r report) write(w io.Writer) {
	r.aims(w)
	fmt.Fprintln(w, "\nSeconds: median (lowest to highest). Ratios: to gitlab-runner (or, without one, the floor) in the same round, median.")
	fmt.Fprintln(w, "CPU and memory are the runner process's, of all jobs of the case; containers are those created / started by all its jobs.")
	fmt.Fprintln(w, "\n| case | | first output | ratio | whole | ratio | CPU | ratio | peak memory | containers |\n|---|---|---|---|---|---|---|---|---|---|")
	var raw strings.Builder
	for i, b := range r.cases {
		name := b.name
		for _, side := range order() {
			samples := r.results[i][side]
			if len(samples) == 0 {
				continue
			}
			row(w, name, side, samples, r.others(i))
			name = ""
			fmt.Fprintf(&raw, "%s, %s, first output: %s\n", b.name, side, list(samples, first))
			fmt.Fprintf(&raw, "%s, %s, whole: %s\n", b.name, side, list(samples, end))
		}
	}
	r.processes(w)
	fmt.Fprintf(w, "\nAll figures, in the order of rounds:\n\n%s", raw.String())
}

// processes prints what does not belong to a case.
func (r report) processes(w io.Writer) {
	fmt.Fprintln(w, "\n| | start to first poll | idle: CPU | resident | polls | bytes | peak of all cases |\n|---|---|---|---|---|---|---|")
	for _, side := range order() {
		if !slices.Contains(slices.Collect(maps.Keys(r.starts)), side) {
			continue
		}
		i := r.idle[side]
		fmt.Fprintf(w, "| %s | %.2f s | %.2f s | %s | %d | %d | %s |\n", side, r.starts[side].Seconds(), i.cpu.Seconds(), mib(i.memory), i.requests, i.bytes, mib(r.peaks[side]))
	}
}

func first(s sample) time.Duration { return s.first }
func end(s sample) time.Duration   { return s.end }
func cpu(s sample) time.Duration   { return s.cpu }

// others are what a case is compared with: the peer's samples, or without a peer the floor's.
func (r report) others(i int) []sample {
	b := r.cases[i]
	for j, other := range r.cases {
		if other.name == cmp.Or(b.peer, b.name) && r.results[j][peer] != nil {
			return r.results[j][peer]
		}
	}
	return r.results[i][theFloor]
}

// aims prints what the project wants to reach, next to what it did. Without a peer there is nothing to print.
func (r report) aims(w io.Writer) {
	if _, there := r.starts[peer]; !there {
		return
	}
	fmt.Fprintln(w, "| | gitlab-runner | lced-runner | ratio | at most |\n|---|---|---|---|---|")
	line := func(what, theirs, mine, ratio string, atMost float64) {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.2f |\n", what, theirs, mine, ratio, atMost)
	}
	for i, b := range r.cases {
		mine, others := r.results[i][cmp.Or(b.subject, ours)], r.others(i)
		figure := func(what string, of func(sample) time.Duration, atMost float64) {
			line(b.name+", "+what, spread(each(others, of)), spread(each(mine, of)), ratio(mine, others, of), atMost)
		}
		switch {
		case b.atMost == 0 || len(mine) == 0 || len(others) == 0:
		case b.whole:
			figure("whole", end, b.atMost)
		default:
			figure("first output", first, b.atMost)
		}
		switch b.name { // and what else was asked of them
		case "plain":
			figure("CPU of the runner", cpu, 0.40)
		case "with git":
			figure("whole job", end, 0.30)
		case "log of 100 MB":
			figure("CPU of the runner", cpu, 0.40)
		}
	}
	memory := func(what string, theirs, mine int64, atMost float64) {
		if theirs > 0 {
			line(what, mib(theirs), mib(mine), fmt.Sprintf("%.2f", float64(mine)/float64(theirs)), atMost)
		}
	}
	memory("idle resident memory", r.idle[peer].memory, r.idle[ours].memory, 0.28)
	memory("peak resident memory of all cases", r.peaks[peer], r.peaks[ours], 0.40)
}

func row(w io.Writer, name, side string, samples, others []sample) {
	used := []string{"", "", ""}
	if side != theFloor {
		memory := median(each(samples, func(s sample) int64 { return s.memory }))
		used = []string{fmt.Sprintf("%.3f", median(each(samples, cpu)).Seconds()), ratio(samples, others, cpu), mib(memory)}
	}
	created := median(each(samples, func(s sample) int { return s.created }))
	started := median(each(samples, func(s sample) int { return s.started }))
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d / %d |\n", name, side,
		spread(each(samples, first)), ratio(samples, others, first), spread(each(samples, end)), ratio(samples, others, end), used[0], used[1], used[2], created, started)
}

func each[T any](samples []sample, of func(sample) T) []T {
	var all []T
	for _, s := range samples {
		all = append(all, of(s))
	}
	return all
}

// median is the middle one; of an even number, the higher of the two.
func median[T cmp.Ordered](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	digits := 2
	if slices.Max(all) < 200*time.Millisecond {
		digits = 3
	}
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, median(all).Seconds(), digits, slices.Min(all).Seconds(), digits, slices.Max(all).Seconds())
}

// ratio is the median of the rounds' own ratios: what else the machine did in a round weighed on both sides of it.
func ratio(samples, others []sample, of func(sample) time.Duration) string {
	if len(others) < len(samples) || of(others[0]) == 0 {
		return ""
	}
	var ratios []float64
	for round := range samples {
		ratios = append(ratios, float64(of(samples[round]))/float64(of(others[round])))
	}
	return fmt.Sprintf("%.2f", median(ratios))
}

func list(samples []sample, of func(sample) time.Duration) string {
	var texts []string
	for _, d := range each(samples, of) {
		texts = append(texts, fmt.Sprintf("%.2f", d.Seconds()))
	}
	return strings.Join(texts, " ")
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
