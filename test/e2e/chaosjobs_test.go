package e2e

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// chaosKind is a kind of job: what it does, how it ends, and which numbered lines its log has.
type chaosKind struct {
	name  string
	spec  coordinator.JobSpec
	state string
	code  int
	count int    // of the numbered lines
	pad   string // at the end of each
	check func(e ending)
}

// lines counts the numbered lines of a log; -1 says that they are not those of the script, in order, each once. A last line
// without its end does not count; where the log was cut a marker may follow it.
func (k chaosKind) lines(log string) (n int, whole bool) {
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "line ") {
			continue
		}
		line, _, _ = strings.Cut(line, "section_end:")
		if want := fmt.Sprintf("line %d of the log%s\n", n, k.pad); line != want {
			if strings.HasPrefix(want, strings.TrimSuffix(line, "\n")) { // cut, by a line of the runner's own at most
				return n, false
			}
			return -1, false
		}
		n++
	}
	return n, n == k.count
}

// slowly prints numbered lines over some seconds.
func slowly(n int) string {
	return fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "line $i of the log"; i=$((i+1)); sleep 0.05; done`, n)
}

func (c *chaos) kinds() []chaosKind {
	const loudLines, pad = 190_000, " 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
	loud := with(job(fmt.Sprintf(`awk 'BEGIN { for (i = 0; i < %d; i++) print "line " i " of the log%s" }'`, loudLines, pad)), "GIT_STRATEGY=none")
	artifacts := job(`awk 'BEGIN { for (i = 0; i < 40000; i++) print "entry " i }' >out`, slowly(20))
	artifacts.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"out"}}
	cache := job(`[ ! -e vendor/n ] || [ "$(cat vendor/n)" = whole ] || exit 9`, "mkdir -p vendor", "echo whole >vendor/n", slowly(20))
	cache.Job.Caches = []ciyaml.Cache{{Key: "k", Paths: []string{"vendor/"}}}
	kinds := []chaosKind{
		{name: "plain", spec: with(job(slowly(60)), "GIT_STRATEGY=none"), state: coordinator.StateSuccess, count: 60},
		{name: "git", spec: job("cat README", slowly(40)), state: coordinator.StateSuccess, count: 40},
		{name: "failing", spec: job(slowly(40), "exit 7"), state: coordinator.StateFailed, code: 7, count: 40},
		{name: "artifacts", spec: artifacts, state: coordinator.StateSuccess, count: 20, check: c.checkArtifact},
		{name: "cache", spec: cache, state: coordinator.StateSuccess, count: 20},
	}
	if c.nested == nil {
		kinds = append(kinds,
			chaosKind{name: "20 MB log", spec: loud, state: coordinator.StateSuccess, count: loudLines, pad: pad},
			chaosKind{name: "dind", spec: with(in("docker:latest", "docker version", slowly(40)), "GIT_STRATEGY=none"), state: coordinator.StateSuccess, count: 40})
	}
	return kinds
}

// checkArtifact compares the file that the job made, byte for byte.
func (c *chaos) checkArtifact(e ending) {
	c.t.Helper()
	var want bytes.Buffer
	for i := range 40_000 {
		fmt.Fprintf(&want, "entry %d\n", i)
	}
	archive := c.uploaded(e.ID, "archive")
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		c.wrong("job %d: its artifacts: %v", e.ID, err)
		return
	}
	file, err := z.Open("out")
	if err != nil {
		c.wrong("job %d: its artifacts: %v", e.ID, err)
		return
	}
	defer file.Close()
	if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, want.Bytes()) {
		c.wrong("job %d: its artifact has %d bytes, want %d; %v", e.ID, len(got), want.Len(), err)
	}
}
