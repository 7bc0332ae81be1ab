package plan

import (
	"slices"

	"lced-runner/dind"
	"lced-runner/executor"
)

// keepHostUsers makes a plan for an engine that remaps users. A container that is privileged, or on the host's network, has to
// have the host's users there. A sidecar is then started by way of what makes its image fit for them, for which its entrypoint
// has to be known, and what it leaves in the checkout is given to the users of the job's other containers.
func keepHostUsers(c *compiler, p *executor.Plan) error {
	if !c.Facts.Remaps {
		return nil
	}
	host := func(container *executor.Container) {
		if container.Privileged || container.Mode == "host" {
			container.Options.UsernsMode = "host"
		}
	}
	host(&p.Build.Container)
	if p.Helper != nil {
		host(&p.Helper.Container)
	}
	for i := range p.Services {
		svc := &p.Services[i]
		host(&svc.Container)
		if !svc.Privileged || !svc.Ready.Must {
			continue
		}
		entrypoint := svc.Entrypoint
		if len(entrypoint) == 0 {
			seen, known := c.Images[svc.Image.Ref]
			if !known {
				return &UnknownImageError{Image: svc.Image}
			}
			entrypoint = seen.Entrypoint
		}
		svc.Entrypoint = dind.OwnMount(slices.DeleteFunc(slices.Clone(entrypoint), func(word string) bool { return word == "" }))
		svc.Finish = dind.GiveBack(c.dirs.builds)
	}
	return nil
}
