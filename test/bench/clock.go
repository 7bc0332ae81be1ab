package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// run is one job: when it was handed out, gave its first output, and ended.
type run struct{ begun, first, ended time.Time }

// sample is one measurement: one or more jobs at once, how long it took from the first that was handed out to the last
// first output and the last end, and what it took of the machine.
type sample struct {
	first, end       time.Duration
	cpu              time.Duration // of the runner's process
	memory           int64         // bytes of it that were resident, at most
	created, started int           // containers
}

func newSample(runs []run) sample {
	begun := runs[0].begun
	for _, r := range runs {
		if r.begun.Before(begun) {
			begun = r.begun
		}
	}
	var s sample
	for _, r := range runs {
		s.first, s.end = max(s.first, r.first.Sub(begun)), max(s.end, r.ended.Sub(begun))
	}
	return s
}

// bootTime is when /proc/uptime was 0. It is read at one of its steps, where it is exact.
func bootTime() (time.Time, error) {
	before, err := uptime()
	for err == nil {
		var up time.Duration
		if up, err = uptime(); up != before && err == nil {
			return time.Now().Add(-up), nil
		}
	}
	return time.Time{}, fmt.Errorf("read the clock of the stamps: %w", err)
}

func uptime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	return seconds(strings.Fields(string(text))[0])
}

func seconds(text string) (time.Duration, error) {
	s, err := strconv.ParseFloat(text, 64)
	return time.Duration(s * float64(time.Second)), err
}

// stamped finds the stamp in the output of a script.
func stamped(boot time.Time, output string) (time.Time, error) {
	match := regexp.MustCompile(`(?m)^(?:\S+Z \S+ +)?stamp ([0-9.]+) `).FindStringSubmatch(output)
	if match == nil {
		return time.Time{}, fmt.Errorf("the script printed no stamp:\n%s", output)
	}
	up, err := seconds(match[1])
	return boot.Add(up), err
}
