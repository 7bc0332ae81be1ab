package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Examiner looks at an engine and its host for an operator who wants to know why something does not work.
type Examiner struct{ engine *Engine }

// Examine makes an Examiner of an engine.
func Examine(e *Engine) Examiner { return Examiner{e} }

// About is what an engine says of itself and of its host.
type About struct {
	Version, API     string
	System, Kernel   string // Debian GNU/Linux 12, 6.1.0
	Architecture     string // Go's word
	Storage, Backing string // overlay2 on extfs; Backing may be empty
	NoDirectoryTypes bool   // the file system below cannot tell files from directories, which overlay needs
	Root             string // directory of the engine's data, on its host
	CgroupVersion    string // 1 or 2
	CgroupDriver     string
	Rootless, Remaps bool // it runs without root; its containers' users are others on the host
	Processors       int
	Memory           int64 // bytes
	BridgeMTU        int   // of the default bridge; 0: the engine's own default, 1500
	Warnings         []string
}

// About asks the engine.
func (x Examiner) About(ctx context.Context) (*About, error) {
	res, err := x.engine.docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the docker engine about itself: %w", err)
	}
	info := res.Info
	a := &About{
		Version: info.ServerVersion, API: x.engine.docker.ClientVersion(), System: info.OperatingSystem, Kernel: info.KernelVersion,
		Architecture: goArch(info.Architecture), Storage: info.Driver, Root: info.DockerRootDir, CgroupVersion: info.CgroupVersion,
		CgroupDriver: info.CgroupDriver, Processors: info.NCPU, Memory: info.MemTotal, Warnings: info.Warnings,
		Rootless: slices.Contains(info.SecurityOptions, "name=rootless"), Remaps: slices.Contains(info.SecurityOptions, "name=userns"),
	}
	for _, pair := range info.DriverStatus {
		switch pair[0] {
		case "Backing Filesystem":
			a.Backing = pair[1]
		case "Supports d_type":
			a.NoDirectoryTypes = pair[1] == "false"
		}
	}
	bridge, err := x.engine.docker.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if err == nil {
		a.BridgeMTU, _ = strconv.Atoi(bridge.Network.Options[optionMTU])
	}
	return a, nil
}

// Look is how a container looks around.
type Look struct {
	Privileged bool
	Network    string   // host, bridge or none
	Binds      []string // host:container:ro
}

// Look runs a command in a short container and returns what it prints.
func (x Examiner) Look(ctx context.Context, image string, command []string, l Look) ([]byte, error) {
	return runOnce(ctx, x.engine.containers, image, command, &container.HostConfig{
		Privileged: l.Privileged, NetworkMode: container.NetworkMode(l.Network), Binds: l.Binds, LogConfig: logConfig(),
		UsernsMode: usersOf(l.Privileged, l.Network),
	})
}

// AskRegistry has the engine ask the image's registry for it, with this login. The error of a registry that answers, but
// does not give the image, is an *ImageError.
func (x Examiner) AskRegistry(ctx context.Context, ref, auth string) error {
	_, err := x.engine.docker.DistributionInspect(ctx, ref, client.DistributionInspectOptions{EncodedRegistryAuth: auth})
	switch {
	case err == nil:
		return nil
	case errdefs.IsUnauthorized(err) || errdefs.IsPermissionDenied(err) || errdefs.IsNotFound(err):
		return &ImageError{Image: ref, Kind: ImageMissing, Err: err}
	}
	return fmt.Errorf("ask the registry of %s: %w", ref, err)
}

// Images lists the names of all images that the engine has.
func (x Examiner) Images(ctx context.Context) ([]string, error) {
	res, err := x.engine.docker.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the images: %w", err)
	}
	var names []string
	for _, image := range res.Items {
		names = append(names, image.RepoTags...)
	}
	slices.Sort(names)
	return names, nil
}

// HasImage says whether the engine has an image.
func (x Examiner) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := x.engine.images.inspect(ctx, Image{Ref: ref})
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// IsImageMissing tells that a registry answered and does not have the image for us.
func IsImageMissing(err error) bool {
	missing, ok := errors.AsType[*ImageError](err)
	return ok && missing.Kind == ImageMissing
}
