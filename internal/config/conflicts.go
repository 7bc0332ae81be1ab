package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// conflicts checks keys of [runners.docker] that are right by themselves and wrong together: every job would fail, or one
// of them has no effect. n is the table.
func (p *problems) conflicts(r *Runner, n *node) {
	d := &r.Docker
	if key, text := memoryConflict("memory", d.Memory, d.MemorySwap, d.MemoryReservation); key != "" {
		p.fail(n.lineOf(key), "runners.docker."+key, "%s", text)
	}
	if key, text := memoryConflict("service_memory", d.ServiceMemory, d.ServiceMemorySwap, d.ServiceMemoryReservation); key != "" {
		p.fail(n.lineOf(key), "runners.docker."+key, "%s", text)
	}
	networkConflicts(p, d, n)
	if d.User != "" && len(d.AllowedUsers) > 0 && !slices.Contains(d.AllowedUsers, d.User) {
		p.fail(n.lineOf("user"), "runners.docker.user", "is %q, which allowed_users does not allow: every job would be refused", d.User)
	}
	allowed := slices.ContainsFunc(d.PullPolicy, func(policy string) bool { return slices.Contains(d.AllowedPullPolicies, policy) })
	if len(d.AllowedPullPolicies) > 0 && !allowed {
		p.warn(n.lineOf("allowed_pull_policies"), "runners.docker.allowed_pull_policies", "allows none of pull_policy: jobs that do not name a policy will be refused")
	}
	for i, s := range d.Services {
		if s.Name == "" {
			p.fail(n.child("services").items[i].line, "runners.docker.services.name", "is missing: name the image of the service")
		}
	}
	dindConflicts(p, r, n)
}

// memoryConflict is what the engine refuses in one group of limits, whose first key is name.
func memoryConflict(name string, memory, swap, reservation Bytes) (key, text string) {
	switch {
	case swap != 0 && memory == 0:
		return name + "_swap", "needs " + name + ": it is the sum of memory and swap"
	case swap != 0 && swap < memory:
		return name + "_swap", "is less than " + name + ": it is the sum of memory and swap"
	case reservation != 0 && memory != 0 && reservation > memory:
		return name + "_reservation", "is more than " + name
	}
	return "", ""
}

// networkConflicts checks what the network mode has no room for.
func networkConflicts(p *problems, d *Docker, n *node) {
	if d.NetworkMode == "" {
		return
	}
	mode := fmt.Sprintf("network_mode = %q", d.NetworkMode)
	for _, key := range []string{"network_mtu", "enable_ipv6"} {
		if v := n.child(key); v != nil && !v.isZero() {
			p.warn(n.lineOf(key), "runners.docker."+key, "has no effect: with %s no network is made for a job", mode)
		}
	}
	own := strings.HasPrefix(d.NetworkMode, "container:")
	refused := []string{}
	if own {
		refused = []string{"hostname", "dns", "extra_hosts"}
	}
	if own || d.NetworkMode == "host" || d.NetworkMode == "none" {
		refused = append(refused, "links", "mac_address")
	}
	for _, key := range refused {
		if v := n.child(key); v != nil && !v.isZero() {
			p.fail(n.lineOf(key), "runners.docker."+key, "cannot be had with %s: remove one of them", mode)
		}
	}
}

// dindConflicts warns of a configured docker-in-docker service that cannot run, or of which the job would not hear.
func dindConflicts(p *problems, r *Runner, n *node) {
	d := &r.Docker
	privileged := d.Privileged
	if d.ServicesPrivileged != nil {
		privileged = *d.ServicesPrivileged
	}
	socket := slices.ContainsFunc(d.Volumes, func(v Volume) bool { return path.Base(v.Source) == "docker.sock" })
	for i, s := range d.Services {
		_, tag, _ := strings.Cut(path.Base(s.Name), ":")
		if !strings.Contains(tag, "dind") || i >= len(n.child("services").items) {
			continue
		}
		line := n.child("services").items[i].line
		switch {
		case socket:
			p.warn(line, "runners.docker.services", "%s is not started in jobs that use the socket of the host's engine, which volumes mounts: keep one of them", s.Name)
		case !privileged && !r.Dind.Privileged && d.Runtime != "sysbox-runc":
			p.warn(line, "runners.docker.services", "%s needs to be privileged: set privileged = true in [runners.dind], which leaves the job's own container unprivileged", s.Name)
		}
	}
}

// flagNotes tells of feature flags that change nothing; n is their table.
func flagNotes(p *problems, flags map[string]bool, n *node) {
	known, ignored := FeatureFlags(), ignoredFlags()
	for _, e := range n.entries {
		f, isKnown := known[e.key]
		switch key := "runners.feature_flags." + e.key; {
		case isKnown && f.Fixed != "" && flags[e.key] != f.Usual:
			p.warn(e.line, key, "changes nothing: %s", f.Fixed)
		case !isKnown && ignored[e.key] != "":
			p.warn(e.line, key, "is accepted and ignored: %s", ignored[e.key])
		case !isKnown:
			p.unknown(e.line, key, nearest(e.key, slices.Collect(maps.Keys(known))))
		}
	}
}

// lineOf is the line of an entry, or of the table where there is none.
func (n *node) lineOf(key string) int {
	for _, e := range n.entries {
		if strings.EqualFold(e.key, key) {
			return e.line
		}
	}
	return n.line
}
