package executor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// Leave is what a sweep leaves alone.
type Leave struct {
	Plans  []*Plan  // of jobs that this process goes on with
	Spares []*Spare // from now on this process's
}

// Sweep removes what an earlier runner with our system id left on the engine: containers and networks with our own label,
// and volumes with it that were for one job; the reusable ones too if caches says so. What it leaves stays. gitlab-runner's
// labels alone never suffice.
func (e *Engine) Sweep(ctx context.Context, caches bool, leave Leave) error {
	stays := map[string]bool{}
	for _, s := range leave.Spares {
		s.claim()
		for _, name := range s.things() {
			stays[name] = true
		}
	}
	keeps := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return stays[name] || belongs(name, leave.Plans) })
	}
	ours := ours(e.owner)
	var errs []error
	containers, err := e.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	errs = append(errs, err)
	for _, c := range containers.Items {
		if keeps(append(c.Names, c.ID)...) {
			continue
		}
		errs = append(errs, e.containers.remove(ctx, c.ID))
	}
	networks, err := e.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	errs = append(errs, err)
	for _, n := range networks.Items {
		if keeps(n.Name) {
			continue
		}
		errs = append(errs, e.networks.remove(ctx, n.ID))
	}
	volumes, err := e.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	errs = append(errs, err)
	for _, v := range volumes.Items {
		if !keeps(v.Name) && (caches || v.Labels[labelReusable] != "true") {
			errs = append(errs, e.volumes.remove(ctx, v.Name))
		}
	}
	return errors.Join(errs...)
}

// belongs reports whether a container, network or volume of this name is one of a plan.
func belongs(name string, plans []*Plan) bool {
	name = strings.TrimPrefix(name, "/") // of containers
	return slices.ContainsFunc(plans, func(p *Plan) bool {
		return strings.HasPrefix(name, p.Name+"-") || p.Network != nil && name == p.Network.Name
	})
}

// labelReusable is gitlab-runner's mark of volumes that outlive their job.
const labelReusable = "com.gitlab.gitlab-runner.reusable"

// ours selects what carries our label with this system id.
func ours(owner string) client.Filters {
	return client.Filters{}.Add("label", LabelOwner+"="+owner)
}
