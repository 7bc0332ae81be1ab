// Command bench measures what lced-runner adds to a job. Each case runs on the production path (coordinator.Server and
// runner.Runner in this process, the engine and the image lced-runner:dev as they are) and, in turns with it, on the floor:
// the fewest engine calls that could do the same without a runner. Both are the same machine at the same minute, so their
// ratio says more than either figure.
//
// The first output is a stamp that the script itself takes, from /proc/uptime: it is there in every image, and its clock is
// the host's. It has steps of 10 ms.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/moby/moby/client"
)

// stamp is the line of a script that takes the time.
const stamp = `echo "stamp $(cat /proc/uptime)"`

// benchmark is one case, and how either side does one job of it.
type benchmark struct {
	name       string
	jobs       int // at once
	production job
	floor      func(*floor, context.Context, string) (run, error)
}

func benchmarks() []benchmark {
	return []benchmark{
		{"plain", 1, job{script: []string{stamp}}, (*floor).plain},
		{"with git", 1, job{git: true, script: []string{"test -f README", stamp}}, (*floor).git},
		{"dind with TLS", 1, job{dind: true, script: []string{"docker info >/dev/null", stamp}}, (*floor).dind},
		{"ten at once", 10, job{script: []string{stamp}}, (*floor).plain},
	}
}

func main() {
	rounds := flag.Int("rounds", 7, "how often each case runs on either side; one more round before them is not counted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, rounds int) (err error) {
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	defer docker.Close()
	info, err := docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("ask the engine: %w (make engine starts one)", err)
	}
	dir, err := os.MkdirTemp("", "lced-runner-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	id := "r_" + rand.Text()[:12]
	p, err := newProduction(ctx, docker, id, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	f, err := newFloor(docker, id, dir, p.source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close(context.WithoutCancel(ctx))) }()
	count := countContainers(ctx, docker, id)
	defer count.stop()

	// Of the machine before this began: other work on it makes the figures worse, the ratios less so.
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	results := make([]result, len(benchmarks()))
	for round := range rounds + 1 {
		for i, b := range benchmarks() {
			fmt.Fprintf(os.Stderr, "bench: round %d of %d: %s\n", round, rounds, b.name)
			ours, ids, err := p.measure(ctx, b)
			if err != nil {
				return fmt.Errorf("%s on lced-runner: %w", b.name, err)
			}
			theirs, err := f.measure(ctx, b)
			if err != nil {
				return fmt.Errorf("%s on the floor: %w", b.name, err)
			}
			results[i].jobs = append(results[i].jobs, ids...)
			if round > 0 {
				results[i].ours, results[i].floor = append(results[i].ours, ours), append(results[i].floor, theirs)
			}
		}
	}
	if err := count.settle(ctx, docker); err != nil {
		return err
	}
	fmt.Printf("go run ./test/bench -rounds %d, on engine %s, %s, %d CPUs, load %.4s\n\n", rounds, info.Info.ServerVersion, info.Info.Architecture, info.Info.NCPU, load)
	report(os.Stdout, results, count, rounds+1)
	return nil
}
