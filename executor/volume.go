package executor

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// volumes makes, fills and removes volumes.
type volumes struct {
	docker     *client.Client
	containers containers
}

// create is idempotent for a volume of the same name.
func (s volumes) create(ctx context.Context, v Volume, labels map[string]string) error {
	all := typed(labels, "cache")
	maps.Copy(all, v.Labels)
	_, err := s.docker.VolumeCreate(ctx, client.VolumeCreateOptions{Name: v.Name, Labels: all, Driver: v.Driver, DriverOpts: v.DriverOps})
	if err != nil {
		return fmt.Errorf("create volume %s for %s: %w", v.Name, v.Target, err)
	}
	return nil
}

// fill puts files into volumes without ever starting a container: one is created from our own image with the volumes
// mounted, given the files, and removed. The archive API is never used on a container made from a job's image, since
// engines before 29.5 can be made to write to the host through it.
func (s volumes) fill(ctx context.Context, name, ownImage string, vols []Volume, labels map[string]string) (err error) {
	if len(vols) == 0 {
		return nil
	}
	var binds []string
	for _, v := range vols {
		binds = append(binds, v.Name+":"+v.Target)
	}
	id, remove, err := momentary(ctx, s.containers, client.ContainerCreateOptions{
		Name:       name,
		Config:     &container.Config{Image: ownImage, Cmd: []string{"true"}, Labels: typed(labels, "cache-init")},
		HostConfig: &container.HostConfig{Binds: binds, NetworkMode: "none", LogConfig: logConfig()},
	})
	if err != nil {
		return fmt.Errorf("create the container that fills volumes, from image %s: %w", ownImage, err)
	}
	defer func() {
		if rerr := remove(); err == nil {
			err = rerr
		}
	}()
	archive, err := pack(vols)
	if err != nil {
		return err
	}
	_, err = s.docker.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	if err != nil {
		return fmt.Errorf("put files into the volumes %s: %w", strings.Join(binds, ", "), err)
	}
	return nil
}

// pack makes the tar of all volumes' files, by their paths in the filling container.
func pack(vols []Volume) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	now := time.Now()
	dir := func(p string, mode int64) error {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.Trim(p, "/") + "/", Mode: mode, ModTime: now})
	}
	for _, v := range vols {
		mode := int64(0o755)
		if v.Open {
			mode = 0o777
		}
		if err := dir(v.Target, mode); err != nil {
			return nil, err
		}
		made := map[string]bool{".": true}
		for _, f := range v.Files {
			if d := path.Dir(f.Path); !made[d] {
				made[d] = true
				if err := dir(path.Join(v.Target, d), 0o755); err != nil {
					return nil, err
				}
			}
			name := strings.Trim(path.Join(v.Target, f.Path), "/")
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: f.Mode, Size: int64(len(f.Data)), ModTime: now}); err != nil {
				return nil, err
			}
			if _, err := w.Write(f.Data); err != nil {
				return nil, err
			}
		}
	}
	return &buf, w.Close()
}

func (s volumes) remove(ctx context.Context, name string) error {
	if _, err := s.docker.VolumeRemove(ctx, name, client.VolumeRemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// labelType says what a thing is for; typeHelper is the helper's.
const (
	labelType  = "com.gitlab.gitlab-runner.type"
	typeHelper = "predefined"
)

// typed adds gitlab-runner's type label to a copy of the labels.
func typed(labels map[string]string, kind string) map[string]string {
	all := map[string]string{labelType: kind}
	maps.Copy(all, labels)
	return all
}
