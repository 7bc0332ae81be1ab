package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"
)

// entriesIdle is how long the runners of a configuration are watched.
const entriesIdle = 20 * time.Second

// entries prints what a configuration of 1, 10 and 100 [[runners]] costs while there is no job.
func entries(ctx context.Context, w io.Writer, docker *client.Client, o options, dir string) error {
	address, err := gateway(ctx, docker)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n| | [[runners]] | start to first poll | CPU in %v | resident | polls | bytes |\n|---|---|---|---|---|---|---|\n", entriesIdle)
	for _, p := range programs(o.binary, os.Getenv) {
		if p.name != ours && p.name != peer {
			continue
		}
		for _, n := range []int{1, 10, 100} {
			home := filepath.Join(dir, fmt.Sprintf("entries-%s-%d", p.name, n))
			if err := os.Mkdir(home, 0o700); err != nil {
				return err
			}
			var tokens []string
			for range n {
				tokens = append(tokens, "glrt-"+rand.Text())
			}
			fmt.Fprintf(os.Stderr, "bench: %d entries of the configuration of %s\n", n, p.name)
			one, err := p.start(ctx, home, address, tokens...)
			if err != nil {
				return err
			}
			idled, err := idle(ctx, []*subject{one}, entriesIdle)
			if err := errors.Join(err, one.stop()); err != nil {
				return err
			}
			i := idled[p.name]
			fmt.Fprintf(w, "| %s | %d | %.2f s | %.2f s | %s | %d | %d |\n", p.name, n, one.ready.Seconds(), i.cpu.Seconds(), mib(i.memory), i.requests, i.bytes)
		}
	}
	return nil
}
