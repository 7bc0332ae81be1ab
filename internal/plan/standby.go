package plan

import (
	"lced-runner/executor"
	"lced-runner/internal/config"
)

// StandbyContainer is the container that waits in place of a runner, where the helpers of its jobs are: it has to reach
// GitLab as they do, and nothing else.
func StandbyContainer(r *config.Runner, name string) *executor.Container {
	d := &r.Docker
	c := &executor.Container{
		Name: name, Entrypoint: []string{Binary}, Cmd: []string{"helper", "standby"}, Mode: "bridge",
		Options: executor.Options{DNSSearch: d.DNSSearch, ExtraHosts: d.ExtraHosts},
	}
	for _, a := range d.DNS {
		c.Options.DNS = append(c.Options.DNS, a.String())
	}
	if userNetwork(d.NetworkMode) {
		c.Mode, c.Networks = "", []executor.Attachment{{Network: d.NetworkMode}}
	} else if d.NetworkMode != "" {
		c.Mode = d.NetworkMode
	}
	return c
}
