package plan

import (
	"strconv"

	"lced-runner/executor"
	"lced-runner/internal/config"
)

// SharesNetworks reports whether the jobs of a runner may have the network of an earlier one, whose name and labels then tell of no
// job: only where the configuration asks for nothing but the default.
func SharesNetworks(r *config.Runner) bool {
	d := &r.Docker
	return d.NetworkMode == "" && len(d.Links) == 0 && d.NetworkMTU == 0 && !d.EnableIPv6
}

// NetworkForm is the same for networks of which a job can have another's; empty for one that has its own.
func NetworkForm(in Input) string {
	if !SharesNetworks(in.Runner) {
		return ""
	}
	return "mtu=" + strconv.Itoa(in.Facts.MTU)
}

// shareNetwork says that the next job can have the network.
func shareNetwork(c *compiler, n *executor.Network) {
	if n.Form = NetworkForm(c.Input); n.Form == "" {
		return
	}
	n.Labels = map[string]string{
		executor.LabelOwner: c.SystemID, "com.gitlab.gitlab-runner.managed": "true", "com.gitlab.gitlab-runner.runner.system_id": c.SystemID,
		executor.LabelSpare: n.Name, executor.LabelSpareForm: n.Form,
	}
}
