// Command bench measures what a runner adds to a job. Each case runs through lced-runner, a peer where there is one
// (PEER names the binary of a gitlab-runner, PEER_HELPER its helper image), and the floor: the fewest engine calls that could do
// the same without a runner. They take turns (A B A B), on the same machine at the same minute, so their ratio says more than
// either figure. Every runner is a process of its own with the same configuration and a GitLab of its own in this process.
//
// The first output is a stamp that the script itself takes, against the moment in which the job was handed out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/moby/moby/client"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each case runs on each side; one more round before them is not counted; with 1 there is none")
	flag.StringVar(&o.binary, "binary", "", "the lced-runner to measure; its image is lced-runner:dev")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long the runners are watched while they have nothing to do; 0: not at all")
	flag.BoolVar(&o.scale, "scale", false, "measure how the cost grows with the work, instead of the usual cases")
	only := flag.String("only", "", "regular expression: the names of the cases to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = bench(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds int
	binary string
	idle   time.Duration
	scale  bool
	only   *regexp.Regexp
}

// cases are those that the options ask for.
func (o options) cases() []benchmark {
	all := standard()
	if o.scale {
		all = scale()
	}
	var asked []benchmark
	for _, b := range all {
		if o.only.MatchString(b.name) {
			asked = append(asked, b)
		}
	}
	return asked
}

func bench(ctx context.Context, o options) (err error) {
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	defer docker.Close()
	info, err := docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("ask the engine: %w (make engine starts one)", err)
	}
	// Of the machine before this began: other work on it makes the figures worse, the ratios less so.
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lced-runner-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newStage(ctx, docker, o, dir)
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	r := report{cases: o.cases(), starts: s.starts()}
	if o.idle > 0 {
		if r.idle, err = idle(ctx, s.subjects, o.idle); err != nil {
			return err
		}
	}
	if r.results, err = s.measure(ctx, r.cases, o.rounds); err != nil {
		return err
	}
	r.peaks = s.highest
	fmt.Printf("Engine %s, %s, %d CPUs, load before %.4s, %d rounds.\n\n", info.Info.ServerVersion, info.Info.Architecture, info.Info.NCPU, load, o.rounds)
	r.write(os.Stdout)
	if o.scale && o.only.MatchString("entries of the configuration") {
		return entries(ctx, os.Stdout, docker, o, dir)
	}
	return nil
}
