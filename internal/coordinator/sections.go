package coordinator

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// checkSections checks the section markers of the runner's own stages: well-formed, each closed before the next one opens,
// in the order in which a job goes. Sections of user scripts may be anything. A log that was cut at its size limit has lost
// its last markers and is not checked.
func checkSections(trace []byte) []string {
	if bytes.Contains(trace, []byte("Job's log exceeded limit of ")) {
		return nil
	}
	marker := regexp.MustCompile(`section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[[^\]\r\n]*\])?(\r\x1b\[0K)?`)
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	open, opened, latest, script := "", int64(0), 0, false
	for _, match := range marker.FindAllSubmatch(trace, -1) {
		kind, name := string(match[1]), string(match[3])
		rank := stageRank(name)
		if rank == 0 {
			continue
		}
		seconds, _ := strconv.ParseInt(string(match[2]), 10, 64)
		if len(match[5]) == 0 {
			complain("marker of section %s lacks CR ESC [0K", name)
		}
		if kind == "end" {
			switch {
			case open != name:
				complain("section %s ends, but the open one is %q", name, open)
			case seconds < opened:
				complain("section %s ends before it starts", name)
			}
			open = ""
			continue
		}
		if open != "" {
			complain("section %s starts inside of %s", name, open)
		}
		script = script || rank == stageRank("step_script")
		// A start-up may begin anew, behind its clean-up too, as long as no script of the user's has begun.
		if rank < latest && (name != "prepare_executor" || script) {
			complain("section %s is out of order", name)
		}
		open, opened, latest = name, seconds, rank
	}
	if open != "" {
		complain("section %s has no end", open)
	}
	return complaints
}

// stageRank is the place of a stage in a job, 0 for what is no stage. Stages that repeat each other share one.
func stageRank(name string) int {
	switch name {
	case "resolve_secrets":
		return 1
	case "prepare_executor":
		return 2
	case "prepare_script":
		return 3
	case "get_sources", "clear_worktree":
		return 4
	case "restore_cache":
		return 5
	case "download_artifacts":
		return 6
	case "step_script", "step_release":
		return 7
	case "after_script":
		return 8
	case "archive_cache", "archive_cache_on_failure":
		return 9
	case "upload_artifacts_on_success", "upload_artifacts_on_failure":
		return 10
	case "cleanup_file_variables":
		return 11
	}
	return 0
}
