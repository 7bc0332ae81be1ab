package dind

import (
	"fmt"
	"slices"
	"strings"
)

// Exit is how a container ended.
type Exit struct {
	Code      int  // exit status; 0 also for one that still runs
	Rootless  bool // on an engine that runs without root itself
	OOMKilled bool // the kernel killed it for want of memory
}

// Diagnose explains the end of a sidecar in one sentence with cause and remedy. It is empty where the log's last lines hold
// nothing known.
func Diagnose(logTail []byte, exit Exit) string {
	if exit.OOMKilled {
		return "the docker daemon's container ran out of memory and was killed: raise service_memory in [runners.docker], or let the job do less at once."
	}
	lines := strings.Split(string(logTail), "\n")
	for _, s := range daemonSymptoms() {
		if slices.ContainsFunc(lines, s.in) {
			return s.sentence
		}
	}
	if exit.Rootless {
		return "the host's engine runs without root, where a docker daemon in a container needs Linux 5.11, cgroup v2 delegated to the user, and the netfilter modules loaded: use an engine with root, or mount the host's socket instead of a sidecar."
	}
	switch exit.Code {
	case 126, 127:
		return fmt.Sprintf("the sidecar's image could not start its command (exit code %d): it is no docker-in-docker image; set image in [runners.dind] to docker:dind or the like.", exit.Code)
	case 137:
		return "the sidecar was killed (exit code 137) and its log gives no reason: the board is probably short of memory, or somebody removed the container."
	}
	return ""
}

// Hint explains what docker's command said in the log of a job whose script failed, in one sentence with cause and remedy. The
// last line that is known counts, as it is the nearest to the failure. It is empty where none is.
func Hint(logTail []byte) string {
	lines := strings.Split(string(logTail), "\n")
	symptoms := append(clientSymptoms(), daemonSymptoms()...)
	effect := ""
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, commandEcho) {
			continue // a command that only names an error
		}
		at := slices.IndexFunc(symptoms, func(s symptom) bool { return !s.quiet && s.in(line) })
		switch {
		case at < 0:
		case !symptoms[at].effect:
			return symptoms[at].sentence
		case effect == "":
			effect = symptoms[at].sentence
		}
	}
	return effect
}

// commandEcho stands before each command of a script in the log of its job.
const commandEcho = "\x1b[32;1m$ "

// symptom is what a log says and what it means.
type symptom struct {
	signs    []string // any of them is in a line; a sign of several parts, parted by ellipses, has them all in it, in this order
	effect   bool     // has its cause in an earlier line, if that is there
	quiet    bool     // means this only in the log of a daemon, and many things in that of a job
	sentence string
}

func (s symptom) in(line string) bool {
	return slices.ContainsFunc(s.signs, func(sign string) bool {
		rest := line
		for part := range strings.SplitSeq(sign, "…") {
			_, after, found := strings.Cut(rest, part)
			if !found {
				return false
			}
			rest = after
		}
		return true
	})
}
