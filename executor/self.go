package executor

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// OwnImage finds the image from which helpers are made. Where the runner itself runs in a container it is that
// container's image, by id and not by tag, since the tag may have moved on; else, or when configured is set, it is the image
// of that name, pulled if it is not there.
//
// mountinfo is the text of /proc/self/mountinfo: the engine mounts hostname and resolv.conf from the container's own
// directory, so its id is there even if the hostname was changed.
func (e *Engine) OwnImage(ctx context.Context, mountinfo string, configured Image, release string) (string, error) {
	if configured.Ref == "" {
		for _, id := range containerIDs(mountinfo) {
			res, err := e.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
			// A label of the image: the binary may as well run in a container of another one.
			if err == nil && res.Container.Config != nil && res.Container.Config.Labels[labelImage] != "" {
				return res.Container.Image, nil
			}
		}
	}
	if configured.Ref == "" {
		configured.Ref = release
	}
	configured.Policies = []string{"if-not-present"} // it is of the runner's own version, so another look would show nothing new
	r, err := patiently(ctx, e, func() (resolved, error) {
		return e.images.resolve(ctx, configured, discard{})
	})
	if err != nil {
		return "", fmt.Errorf("no image for the helper container: %w; run the runner from its own image, load that image into the engine, or set helper_image in [runners.docker]", err)
	}
	return r.ID, nil
}

// containerIDs are the ids of the container that this process may be in: mounts of the engine's own files only, since the
// directory of another container may be mounted too. Docker has containers/<id>, podman overlay-containers/<id>.
func containerIDs(mountinfo string) []string {
	directory := regexp.MustCompile(`containers/([0-9a-f]{64})/`)
	var ids []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line) // fourth: what is mounted, fifth: where
		if len(fields) < 5 || !slices.Contains([]string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}, fields[4]) {
			continue
		}
		if match := directory.FindStringSubmatch(fields[3]); match != nil && !slices.Contains(ids, match[1]) {
			ids = append(ids, match[1])
		}
	}
	return ids
}

// labelImage marks the runner's own image, see the Dockerfile.
const labelImage = "lced.runner.image"

// ReleaseImage is the name of the image that is published with this version.
func ReleaseImage(version string) string { return "lced-runner:" + strings.TrimPrefix(version, "v") }

// discard is a Section that goes nowhere, for what happens outside of a job.
type discard struct{}

func (discard) Stream(int) io.Writer { return io.Discard }
func (discard) Plain(string, ...any) {}
func (discard) Close() error         { return nil }
