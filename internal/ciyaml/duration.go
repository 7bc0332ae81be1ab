package ciyaml

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxTimeout is GitLab's MAX_BUILD_TIMEOUT, one month.
const maxTimeout = 30 * 24 * time.Hour

func (r reader) timeout(value node, what string) (*time.Duration, error) {
	text, err := r.text(value, what)
	if err != nil {
		return nil, err
	}
	timeout, ok := parseDuration(text)
	if !ok || timeout <= 0 || timeout > maxTimeout {
		return nil, r.errorf(value.line, `%s is %q: give a duration of at most a month, such as "1h 30m" or "90 minutes"`, what, text)
	}
	return &timeout, nil
}

// parseDuration reads GitLab's durations in words: numbers with units, added up; a number alone is seconds.
func parseDuration(text string) (time.Duration, bool) {
	text = strings.ToLower(strings.ReplaceAll(text, ",", " "))
	part := regexp.MustCompile(`^\s*(?:and\s+)?(\d+(?:\.\d+)?)\s*([a-z]*)\s*`)
	var total float64 // seconds
	for text = strings.TrimSpace(text); text != ""; {
		match := part.FindStringSubmatch(text)
		if match == nil {
			return 0, false
		}
		number, err := strconv.ParseFloat(match[1], 64)
		seconds, ok := unitSeconds(match[2])
		if err != nil || !ok {
			return 0, false
		}
		total += number * seconds
		text = text[len(match[0]):]
	}
	if total > maxTimeout.Seconds() {
		return 0, false
	}
	return time.Duration(total * float64(time.Second)), true
}

func unitSeconds(unit string) (float64, bool) {
	switch unit {
	case "", "s", "sec", "secs", "second", "seconds":
		return 1, true
	case "m", "min", "mins", "minute", "minutes":
		return 60, true
	case "h", "hr", "hrs", "hour", "hours":
		return 3600, true
	case "d", "day", "days":
		return 24 * 3600, true
	case "w", "wk", "wks", "week", "weeks":
		return 7 * 24 * 3600, true
	case "mo", "mos", "month", "months":
		return 30 * 24 * 3600, true
	}
	return 0, false
}
