package executor

import "context"

// ImageConfig is what an image says of the containers that are made from it.
type ImageConfig struct {
	Entrypoint []string
	Volumes    []string // mount points of the anonymous volumes that it asks for
}

// LookAt gets an image onto the engine, as a job that uses it would, and tells what it says of itself.
func LookAt(ctx context.Context, e *Engine, image Image) (*ImageConfig, error) {
	r, err := patiently(ctx, e, func() (resolved, error) { return e.images.resolve(ctx, image, discard{}) })
	if err != nil {
		return nil, err
	}
	return &ImageConfig{Entrypoint: r.Entrypoint, Volumes: r.Volumes}, nil
}
