package executor

import (
	"context"
	"errors"

	"github.com/moby/moby/client"
)

// Sweep removes what an earlier runner with our system id left on the engine: containers and networks with our own label,
// and volumes with it that were for one job; the reusable ones too if caches says so. What belongs to the spares stays, and
// is from now on this process's. gitlab-runner's labels alone never suffice.
func (e *Engine) Sweep(ctx context.Context, caches bool, spares ...*Spare) error {
	stays := map[string]bool{}
	for _, s := range spares {
		s.claim()
		for _, name := range s.things() {
			stays[name] = true
		}
	}
	ours := ours(e.owner)
	var errs []error
	containers, err := e.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	errs = append(errs, err)
	for _, c := range containers.Items {
		if stays[c.ID] {
			continue
		}
		errs = append(errs, e.containers.remove(ctx, c.ID))
	}
	networks, err := e.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	errs = append(errs, err)
	for _, n := range networks.Items {
		if stays[n.Name] {
			continue
		}
		errs = append(errs, e.networks.remove(ctx, n.ID))
	}
	volumes, err := e.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	errs = append(errs, err)
	for _, v := range volumes.Items {
		if !stays[v.Name] && (caches || v.Labels[labelReusable] != "true") {
			errs = append(errs, e.volumes.remove(ctx, v.Name))
		}
	}
	return errors.Join(errs...)
}

// labelReusable is gitlab-runner's mark of volumes that outlive their job.
const labelReusable = "com.gitlab.gitlab-runner.reusable"

// ours selects what carries our label with this system id.
func ours(owner string) client.Filters {
	return client.Filters{}.Add("label", LabelOwner+"="+owner)
}
