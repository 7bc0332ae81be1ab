package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// images makes sure that images are on the engine.
type images struct {
	docker *client.Client
	pulls  pulls
}

// resolved is an image that is on the engine.
type resolved struct {
	Create     string // what containers are created from: a digest where there is one, so that a moving tag has no effect
	ID         string
	Entrypoint []string
	Env        []string
	User       string
	Platform   string   // os/arch
	Ports      []uint16 // TCP ports that the image exposes
	Volumes    []string // mount points of its anonymous volumes, sorted
	Pulled     bool     // it came now
}

// pullAttempts and the pause between them are gitlab-runner's (docker-executor contract 2.9).
const pullAttempts = 3

// resolve makes sure that the image is on the engine, as its pull policies say, and inspects it.
func (m *images) resolve(ctx context.Context, img Image, log Section) (resolved, error) {
	if strings.HasPrefix(img.Ref, "sha256:") {
		r, err := m.inspect(ctx, img)
		if errdefs.IsNotFound(err) {
			err = &ImageError{Image: img.Ref, Kind: ImageMissing, Err: errors.New("it is not on this engine, and an id cannot be pulled")}
		}
		return r, err
	}
	log.Plain("Using effective pull policy of [%s] for container %s", strings.Join(img.Policies, " "), img.Ref)
	var errs []error
	for i, policy := range img.Policies {
		if i > 0 {
			log.Plain("Attempt #%d: Trying %q pull policy", i+1, policy)
		}
		r, err := m.resolveBy(ctx, policy, img, log)
		if err == nil {
			log.Plain("Using docker image %s for %s with digest %s ...", r.ID, img.Ref, r.Create)
			return r, nil
		}
		if ctx.Err() != nil {
			return resolved{}, context.Cause(ctx)
		}
		log.Plain("Failed to pull image with policy %q: %v", policy, err)
		errs = append(errs, err)
	}
	return resolved{}, errs[len(errs)-1]
}

func (m *images) resolveBy(ctx context.Context, policy string, img Image, log Section) (resolved, error) {
	if policy != "always" {
		r, err := m.inspect(ctx, img)
		switch {
		case err == nil && policy == "if-not-present" && !meant(img.Platform, r.Platform):
			log.Plain("The local copy of %s is for %s, so it is pulled for %s", img.Ref, r.Platform, img.Platform)
		case err == nil && policy == "if-not-present":
			log.Plain("Using locally found image version due to %q pull policy", policy)
			return r, nil
		case err == nil:
			return r, nil
		case policy == "never" && errdefs.IsNotFound(err):
			return r, &ImageError{Image: img.Ref, Kind: ImageMissing, Err: errors.New("it is not on this engine and the pull policy \"never\" forbids pulling it")}
		case errdefs.IsInvalidArgument(err):
			return r, &ImageError{Image: img.Ref, Kind: ImageMissing, Err: err} // a name that cannot be one
		case !errdefs.IsNotFound(err):
			return r, fmt.Errorf("inspect image %s: %w", img.Ref, err)
		}
	}
	fresh, err := m.pullRetrying(ctx, img, log)
	if err != nil {
		return resolved{}, err
	}
	r, err := m.inspect(ctx, img)
	r.Pulled = fresh
	if err != nil {
		return r, fmt.Errorf("inspect image %s after its pull: %w", img.Ref, err)
	}
	return r, nil
}

func (m *images) pullRetrying(ctx context.Context, img Image, log Section) (fresh bool, err error) {
	if img.AuthFrom != "" {
		log.Plain("Authenticating with credentials from %s", img.AuthFrom)
	}
	for attempt := 1; ; attempt++ {
		if img.Platform != "" {
			log.Plain("Pulling docker image %s for platform %s ...", img.Ref, img.Platform)
		} else {
			log.Plain("Pulling docker image %s ...", img.Ref)
		}
		fresh, err := m.pulls.pull(ctx, m.docker, img)
		var ie *ImageError
		// Only a link that may come back is worth another try; "not found" stays so.
		if err == nil || attempt == pullAttempts || !errors.As(err, &ie) || ie.Kind != ImageUnreachable {
			return fresh, err
		}
		log.Plain("Pull of %s failed (%v), trying again", img.Ref, ie.Err)
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(2*time.Second + rand.N(8*time.Second)):
		}
	}
}

func (m *images) inspect(ctx context.Context, img Image) (resolved, error) {
	res, err := m.docker.ImageInspect(ctx, img.Ref)
	if err != nil {
		return resolved{}, err
	}
	r := resolved{ID: res.ID, Create: res.ID}
	if res.Architecture != "" {
		r.Platform = res.Os + "/" + res.Architecture
	}
	if name := Repository(img.Ref); !strings.HasPrefix(img.Ref, "sha256:") {
		for _, d := range res.RepoDigests {
			if strings.HasPrefix(d, name+"@") {
				r.Create = d
				break
			}
		}
	}
	if c := res.Config; c != nil {
		r.Entrypoint, r.Env, r.User, r.Volumes = c.Entrypoint, c.Env, c.User, slices.Sorted(maps.Keys(c.Volumes))
		for port := range c.ExposedPorts {
			if num, ok := strings.CutSuffix(port, "/tcp"); ok || !strings.Contains(port, "/") {
				var n uint16
				if _, err := fmt.Sscanf(num, "%d", &n); err == nil {
					r.Ports = append(r.Ports, n)
				}
			}
		}
	}
	return r, nil
}

// Repository is an image's reference without tag and digest.
func Repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	return ref
}

// platform parses os/arch[/variant]; a single word is an architecture of linux.
func platform(s string) *ocispec.Platform {
	if s == "" {
		return nil
	}
	os, rest, ok := strings.Cut(s, "/")
	if !ok {
		return &ocispec.Platform{OS: "linux", Architecture: s}
	}
	arch, variant, _ := strings.Cut(rest, "/")
	return &ocispec.Platform{OS: os, Architecture: arch, Variant: variant}
}

func pullOptions(img Image) client.ImagePullOptions {
	o := client.ImagePullOptions{RegistryAuth: img.Auth}
	if p := platform(img.Platform); p != nil {
		o.Platforms = []ocispec.Platform{*p}
	}
	return o
}
