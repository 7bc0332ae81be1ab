package executor

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/moby/moby/client"
)

// momentary creates a container of ours that serves for a moment. It is of no job, or of one that is only being prepared, so what
// keeps it from being taken for an orphan is a claim, from before it is there until remove was called. ctx ends neither.
func momentary(ctx context.Context, s containers, opts client.ContainerCreateOptions) (id string, remove func() error, err error) {
	if opts.Name == "" {
		opts.Name = "lced-" + strings.ToLower(rand.Text())
	}
	s.claims.take(opts.Name)
	steadily, cancel := steady(ctx)
	defer cancel()
	created, err := s.docker.ContainerCreate(steadily, opts)
	if err != nil {
		s.claims.drop(opts.Name)
		return "", nil, err
	}
	return created.ID, func() error {
		defer s.claims.drop(opts.Name)
		ctx, cancel := steady(ctx)
		defer cancel()
		return s.remove(ctx, created.ID)
	}, nil
}
