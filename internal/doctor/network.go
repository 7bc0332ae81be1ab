package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/plan"
)

// network looks at what containers on the engine's default bridge get.
func (d *doctor) network(ctx context.Context, e *executor.Engine, x executor.Examiner, r *config.Runner, image string, a *executor.About) {
	facts, err := e.Facts(ctx, image, []string{plan.Binary, "helper", "facts"})
	if err != nil {
		d.fail("network", "look at the log of dockerd: journalctl -u docker", "%v", err)
		return
	}
	d.mtu(facts.MTU, cmp.Or(a.BridgeMTU, 1500))
	d.dns(ctx, x, r, image, facts.DNS)
}

func (d *reporter) mtu(route, bridge int) {
	switch {
	case route == 0:
		d.warn("mtu", "", "the host has no default route: jobs reach only what is on its own networks")
	case bridge > route:
		d.warn("mtu", fmt.Sprintf(`set "mtu": %d in /etc/docker/daemon.json and restart docker`, route), "large packets of containers on the default bridge, helpers among them, get lost: it has %d, the host's route %d (jobs' own networks get it right)", bridge, route)
	default:
		d.ok("mtu", "%d on the host's route, %d on the default bridge", route, bridge)
	}
}

// dns looks up what jobs need: GitLab, and the registry of the default image.
func (d *doctor) dns(ctx context.Context, x executor.Examiner, r *config.Runner, image string, servers []string) {
	const check = "dns"
	names := map[string]bool{registryHost(r.Docker.Image): true}
	if u, err := url.Parse(cmp.Or(r.CloneURL, r.URL)); err == nil {
		names[u.Hostname()] = true
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool {
		_, err := netip.ParseAddr(name)
		return err == nil || name == ""
	})
	asked := slices.Sorted(maps.Keys(names))
	by := strings.Join(servers, ", ")
	if len(asked) == 0 {
		d.ok(check, "containers ask %s", by)
		return
	}
	s, err := look(ctx, x, image, executor.Look{Network: "bridge"}, asked...)
	if err != nil {
		d.fail(check, "", "names cannot be looked up from a container: %v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Unresolved)) {
		if s.Unresolved[name] != "" {
			d.warn(check, "set dns in [runners.docker], or \"dns\" in /etc/docker/daemon.json, to a server that knows it", "containers, which ask %s, do not find %s: %s", by, name, s.Unresolved[name])
		}
	}
	if len(s.Unresolved) == 0 {
		d.ok(check, "containers ask %s, and find %s", by, strings.Join(asked, ", "))
	}
}

// registryHost is the host name of an image's registry; empty for no image, and for Docker Hub, which may be mirrored.
func registryHost(image string) string {
	host, _, path := strings.Cut(image, "/")
	if image == "" || strings.Contains(image, "$") || !path || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return ""
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}
