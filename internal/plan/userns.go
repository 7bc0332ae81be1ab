package plan

import (
	"lced-runner/dind"
	"lced-runner/executor"
)

// keepHostUsers makes a plan for an engine that remaps users. A container that is privileged, or on the host's network, has to
// have the host's users there; what sidecars leave in the checkout is then given to the users of the job's other containers.
func keepHostUsers(c *compiler, p *executor.Plan, s *sidecars) {
	if !c.Facts.Remaps {
		return
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
		host(&p.Services[i].Container)
		if s.any() && p.Services[i].Privileged && p.Services[i].Ready.Must {
			p.Services[i].Finish = dind.GiveBack(c.dirs.builds)
		}
	}
}
