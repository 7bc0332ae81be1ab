package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Stock is what an engine keeps after the jobs that brought it: images and reusable volumes, and what was left behind.
type Stock struct{ engine *Engine }

// Stock gives access to what stays on the engine.
func (e *Engine) Stock() *Stock { return &Stock{e} }

// Item is an image or a reusable volume of ours.
type Item struct {
	Image  string   // id; empty for a volume
	Volume string   // name
	Refs   []string // the image's tags
	Busy   bool     // a container has it, or a job that runs in this process
}

// Use is that a job uses something that stays.
type Use struct {
	Image  string // id; empty for a volume
	Ref    string // by which name the job has the image
	Pulled bool   // the image came with this job
	Volume string // name
}

// Items lists all images, and the volumes that are ours and outlive their jobs. It asks the engine three times, however
// many there are; what is in use is told by the list of containers, since the engine counts it for nobody.
func (s *Stock) Items(ctx context.Context) ([]Item, error) {
	docker := s.engine.docker
	containers, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	busy := map[string]bool{}
	for _, c := range containers.Items {
		busy[c.ImageID] = true
		for _, m := range c.Mounts {
			busy[m.Name] = true
		}
	}
	images, err := docker.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var items []Item
	for _, i := range images.Items {
		item := Item{Image: i.ID, Busy: busy[i.ID] || s.engine.claims.holds(i.ID)}
		for _, tag := range i.RepoTags {
			if tag != "<none>:<none>" {
				item.Refs = append(item.Refs, tag)
			}
		}
		items = append(items, item)
	}
	volumes, err := docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours(s.engine.owner).Add("label", labelReusable+"=true")})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes.Items {
		items = append(items, Item{Volume: v.Name, Busy: busy[v.Name] || s.engine.claims.holds(v.Name)})
	}
	return items, nil
}

// Discard removes an item. What a container or a job of this process has got meanwhile stays, which is an error.
func (s *Stock) Discard(ctx context.Context, i Item) error {
	return s.engine.claims.remove(i.Image+i.Volume, func() error { return s.discard(ctx, i) })
}

func (s *Stock) discard(ctx context.Context, i Item) error {
	if i.Volume != "" {
		return s.engine.volumes.remove(ctx, i.Volume)
	}
	refs := i.Refs
	if len(refs) == 0 {
		refs = []string{i.Image}
	}
	for _, ref := range refs {
		_, err := s.engine.docker.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove image %s: %w", ref, err)
		}
	}
	return nil
}

// Orphans removes what has our label, is for one job or none, and is known to nobody: neither to known, which is asked with
// its labels, nor claimed in this process. What was not among seen yet stays for now, since something else of this process
// may be about to claim it. It returns what is to be seen the next time, and how many it removed.
func (s *Stock) Orphans(ctx context.Context, known func(labels map[string]string) bool, seen map[string]bool) (next map[string]bool, removed int, err error) {
	e := s.engine
	next = map[string]bool{}
	var errs []error
	look := func(what, id, name string, labels map[string]string, remove func() error) {
		if known(labels) || e.claims.holds(id) || e.claims.holds(name) {
			return
		}
		if !seen[id] {
			next[id] = true
			return
		}
		if err := remove(); err != nil {
			next[id] = true
			errs = append(errs, fmt.Errorf("remove the orphan %s %s: %w", what, name, err))
			return
		}
		removed++
	}
	containers, err := e.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours(e.owner)})
	errs = append(errs, err)
	for _, c := range containers.Items {
		name := strings.TrimPrefix(strings.Join(c.Names, " "), "/")
		look("container", c.ID, name, c.Labels, func() error { return e.containers.remove(ctx, c.ID) })
	}
	networks, err := e.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours(e.owner)})
	errs = append(errs, err)
	for _, n := range networks.Items {
		look("network", n.ID, n.Name, n.Labels, func() error { return e.networks.remove(ctx, n.ID) })
	}
	volumes, err := e.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours(e.owner)})
	errs = append(errs, err)
	for _, v := range volumes.Items {
		if v.Labels[labelReusable] != "true" {
			look("volume", v.Name, v.Name, v.Labels, func() error { return e.volumes.remove(ctx, v.Name) })
		}
	}
	return next, removed, errors.Join(errs...)
}

// DataRoot is a path of this machine whose file system holds the engine's data: that of this process where it runs in a
// container of the engine, else the engine's own directory. It is empty for an engine of another machine.
func (s *Stock) DataRoot(ctx context.Context, mountinfo string) (string, error) {
	for _, id := range containerIDs(mountinfo) {
		if _, err := s.engine.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); err == nil {
			return "/", nil
		}
	}
	if !strings.HasPrefix(s.engine.host, "unix://") {
		return "", nil
	}
	info, err := s.engine.docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the docker engine for its data directory: %w", err)
	}
	return info.Info.DockerRootDir, nil
}
