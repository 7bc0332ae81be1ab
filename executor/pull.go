package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
)

// ImageErrorKind says why an image could not be had.
type ImageErrorKind int

const (
	ImageFailed      ImageErrorKind = iota // none of the below
	ImageMissing                           // no such image, or no access to it: the job or its configuration is wrong
	ImageUnreachable                       // its registry could not be reached
)

// ImageError says that an image could not be had. Callers decide the failure reason by its Kind.
type ImageError struct {
	Image string
	Kind  ImageErrorKind
	Err   error
}

func (e *ImageError) Error() string {
	switch e.Kind {
	case ImageMissing:
		return fmt.Sprintf("image %s cannot be had: %v. Check its name and tag, and that this runner may pull it (DOCKER_AUTH_CONFIG, or a login for its registry)", e.Image, e.Err)
	case ImageUnreachable:
		return fmt.Sprintf("image %s cannot be pulled because its registry does not answer: %v. Check the board's network and DNS, or allow pull_policy \"if-not-present\" to use a local copy", e.Image, e.Err)
	}
	return fmt.Sprintf("image %s cannot be pulled: %v", e.Image, e.Err)
}

func (e *ImageError) Unwrap() error { return e.Err }

// classify reads the engine's text, since it has no codes for this (job-api contract 5.4, first match wins).
func classify(image string, err error) error {
	text := strings.ToLower(err.Error())
	has := func(subs ...string) bool {
		for _, s := range subs {
			if strings.Contains(text, s) {
				return true
			}
		}
		return false
	}
	kind := ImageFailed
	if has("certificate has expired or is not yet valid") {
		err = fmt.Errorf("%w (the board's clock says %s: if that is not the time, set it, for example by NTP)", err, time.Now().UTC().Format(time.RFC3339))
	}
	switch {
	case has("dial tcp", "connection refused", "connection reset", "no such host", "i/o timeout", "tls handshake", "client.timeout exceeded", "request canceled"):
		kind = ImageUnreachable
	case has("not found", "manifest unknown", "pull access denied", "access to the resource is denied", "no basic auth credentials",
		"repository does not exist or may require", "unauthorized", "authentication required", "invalid reference format"):
		kind = ImageMissing
	}
	return &ImageError{Image: image, Kind: kind, Err: err}
}

// pulls shares one pull of an image between all jobs that wait for it.
type pulls struct {
	patience patience

	mu      sync.Mutex
	running map[string]*pull
}

type pull struct {
	done    chan struct{}
	fresh   bool // it brought something
	err     error
	waiters int
	cancel  context.CancelCauseFunc
}

// pull joins a running pull of the same image, or starts it. It ends early when nobody waits for it any more. fresh tells
// whether it brought an image that was not there.
func (p *pulls) pull(ctx context.Context, docker *client.Client, img Image) (fresh bool, err error) {
	key := strings.Join([]string{img.Ref, img.Platform, img.Auth}, "\x00")
	p.mu.Lock()
	one, ok := p.running[key]
	if !ok {
		if p.running == nil {
			p.running = map[string]*pull{}
		}
		// The pull outlives the job that began it as long as another waits.
		pctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		one = &pull{done: make(chan struct{}), cancel: cancel}
		p.running[key] = one
		go func() {
			defer close(one.done)
			defer cancel(nil)
			one.fresh, one.err = p.pullOnce(pctx, docker, img)
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.running[key] == one {
				delete(p.running, key)
			}
		}()
	}
	one.waiters++
	p.mu.Unlock()

	select {
	case <-one.done:
		return one.fresh, one.err
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		if one.waiters--; one.waiters == 0 {
			one.cancel(errors.New("no job waits for this image any more"))
			if p.running[key] == one {
				delete(p.running, key)
			}
		}
		return false, context.Cause(ctx)
	}
}

// pullOnce reads the engine's progress to its end: status 200 does not mean success, an error may be in the stream.
func (p *pulls) pullOnce(ctx context.Context, docker *client.Client, img Image) (fresh bool, err error) {
	ctx, watch := watchProgress(ctx, p.patience)
	defer watch.stop()
	res, err := docker.ImagePull(ctx, img.Ref, pullOptions(img))
	if err != nil {
		return false, pullError(ctx, img.Ref, err)
	}
	defer res.Close()
	for m, err := range res.JSONMessages(ctx) {
		switch {
		case err != nil:
			return false, pullError(ctx, img.Ref, err)
		case m.Error != nil:
			return false, classify(img.Ref, m.Error)
		}
		watch.note(m)
		fresh = fresh || strings.HasPrefix(m.Status, "Status: Downloaded newer image")
	}
	if ctx.Err() != nil {
		return false, pullError(ctx, img.Ref, ctx.Err())
	}
	return fresh, nil
}

// pullError tells what is to blame for the end of a pull: who cancelled it, the engine, or the registry.
func pullError(ctx context.Context, image string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
		if _, stalled := errors.AsType[*ImageError](err); !stalled {
			return err
		}
	}
	if away(err) {
		return fmt.Errorf("pull image %s: %w", image, err)
	}
	if stalled, ok := errors.AsType[*ImageError](err); ok {
		stalled.Image = image
		return stalled
	}
	return classify(image, err)
}
