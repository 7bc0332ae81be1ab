package executor

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/moby/moby/client"
)

// OwnImage finds the image from which helpers are made. Where the runner itself runs in a container it is that
// container's image, by id and not by tag, since the tag may have moved on; else, or when configured is set, it is the image
// of that name, pulled if it is not there.
//
// mountinfo is the text of /proc/self/mountinfo: the engine mounts hostname and resolv.conf from the container's own
// directory, so its id is there even if the hostname was changed.
func (e *Engine) OwnImage(ctx context.Context, mountinfo, configured, release string) (string, error) {
	if configured == "" {
		for _, id := range containerIDs(mountinfo) {
			res, err := e.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
			if err == nil {
				return res.Container.Image, nil
			}
		}
	}
	name := configured
	if name == "" {
		name = release
	}
	r, err := e.images.resolve(ctx, Image{Ref: name, Policies: []string{"if-not-present"}}, discard{})
	if err != nil {
		return "", fmt.Errorf("no image for the helper container: %w; run the runner from its own image, load that image into the engine, or set helper_image in [runners.docker]", err)
	}
	return r.ID, nil
}

func containerIDs(mountinfo string) []string {
	var ids []string
	for _, m := range regexp.MustCompile(`/containers/([0-9a-f]{64})/`).FindAllStringSubmatch(mountinfo, -1) {
		if len(ids) == 0 || ids[len(ids)-1] != m[1] {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// ReleaseImage is the name of the image that is published with this version.
func ReleaseImage(version string) string { return "lced-runner:" + strings.TrimPrefix(version, "v") }

// discard is a Section that goes nowhere, for what happens outside of a job.
type discard struct{}

func (discard) Stream() io.Writer    { return io.Discard }
func (discard) Plain(string, ...any) {}
func (discard) Close() error         { return nil }
