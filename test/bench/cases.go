package main

import (
	"context"
	"fmt"
	"strings"
)

// stamp is the line of a script that takes the time, from /proc/uptime: it is there in every image, and its clock is the
// host's. It has steps of 10 ms.
const stamp = `echo "stamp $(cat /proc/uptime)"`

// benchmark is one case.
type benchmark struct {
	name string
	// pipeline is what each subject runs, as a .gitlab-ci.yml; $stamp stands for the line above.
	pipeline string
	at       int     // pipelines at once
	times    int     // pipelines one after another, each when the one before has ended
	rounds   int     // at most; 0: as many as asked for; where it is one, no other goes before it
	subject  string  // only this one; empty: all that can
	peer     string  // the case whose peer is the one to compare with; empty: this one's
	atMost   float64 // of the peer's first output, or of its end where whole is set: what the project aims at; 0: nothing said
	whole    bool
	floor    func(*floor, context.Context, string) (run, error)
	files    int // of the repository; 0: one
}

// text is the pipeline with what it measures filled in.
func (b benchmark) text() string { return strings.ReplaceAll(b.pipeline, "$stamp", stamp) }

const plain = `
job:
  image: busybox:latest
  variables: {GIT_STRATEGY: none}
  script:
    - $stamp
`

const withGit = `
job:
  image: busybox:latest
  script:
    - test -f README
    - $stamp
`

// The test's docker image has dash, which does not know gitlab-runner's usual quotes.
const dindTLS = `
job:
  image: docker:latest
  services: [docker:dind]
  variables: {GIT_STRATEGY: none, FF_POSIXLY_CORRECT_ESCAPES: "true"}
  script:
    - until docker info >/dev/null 2>&1; do sleep 0.05; done
    - $stamp
`

// A sidecar is kept only for a checkout that stays.
const dindGit = `
job:
  image: docker:latest
  services: [docker:dind]
  variables: {FF_POSIXLY_CORRECT_ESCAPES: "true"}
  script:
    - until docker info >/dev/null 2>&1; do sleep 0.05; done
    - $stamp
`

const artifacts = `
stages: [make, use]
make:
  stage: make
  image: busybox:latest
  script:
    - $stamp
    - dd if=/dev/urandom of=big bs=1M count=100
  artifacts: {paths: [big]}
use:
  stage: use
  image: busybox:latest
  script:
    - test $(wc -c <big) = 104857600
    - $stamp
`

const caches = `
stages: [make, use]
default:
  image: busybox:latest
  cache: {key: big, paths: [big]}
make:
  stage: make
  script:
    - $stamp
    - dd if=/dev/urandom of=big bs=1M count=100
use:
  stage: use
  script:
    - test $(wc -c <big) = 104857600
    - $stamp
`

// loud prints a log of some MB. Where the shell has pipefail, the end of yes by a broken pipe counts.
func loud(megabytes int) string {
	return fmt.Sprintf(`
job:
  image: busybox:latest
  variables: {GIT_STRATEGY: none}
  script:
    - $stamp
    - yes "a line of a build's log, as long as they usually are, with a number or two 12345" | head -c %d || test $? = 141
`, megabytes<<20)
}

// standard are the cases of docs/benchmarks.md.
func standard() []benchmark {
	return []benchmark{
		{name: "plain", pipeline: plain, floor: (*floor).plain, atMost: 0.20},
		{name: "with git", pipeline: withGit, floor: (*floor).git, atMost: 0.28},
		{name: "dind with TLS", pipeline: dindTLS, floor: (*floor).dind, atMost: 0.45},
		{name: "dind with TLS, the image's certificates", pipeline: dindTLS, subject: stock, peer: "dind with TLS", rounds: 2},
		{name: "dind with TLS and git", pipeline: dindGit},
		{name: "dind with TLS and git, warm", pipeline: dindGit, subject: warm, peer: "dind with TLS and git", atMost: 0.10},
		{name: "ten at once", pipeline: plain, at: 10, floor: (*floor).plain, rounds: 3, atMost: 0.35, whole: true},
		{name: "100 in a row", pipeline: plain, times: 100, rounds: 1, subject: ours}, // gitlab-runner's 100 would take as long as all the rest
		{name: "artifacts of 100 MB, up and down", pipeline: artifacts, rounds: 2},
		{name: "cache of 100 MB, saved and restored", pipeline: caches, rounds: 2},
		{name: "log of 100 MB", pipeline: loud(100), rounds: 3},
	}
}

// scale are the cases that tell how the cost grows with the work.
func scale() []benchmark {
	var all []benchmark
	for _, n := range []int{1, 2, 5, 10, 20} {
		all = append(all, benchmark{name: fmt.Sprintf("%d jobs at once", n), pipeline: plain, at: n})
	}
	for _, n := range []int{1, 10, 100, 1000} {
		all = append(all, benchmark{name: fmt.Sprintf("log of %d MB", n), pipeline: loud(n)})
	}
	for _, n := range []int{10, 1000, 50000} {
		all = append(all, benchmark{name: fmt.Sprintf("repository of %d files", n), pipeline: withGit, files: n})
	}
	return all
}
