package executor

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
)

// hostConfig writes a container's options in the engine's words. An error is about a value that the engine has no way to
// write.
func hostConfig(c *Container) (*container.HostConfig, error) {
	o := c.Options
	h := &container.HostConfig{
		Binds: c.Binds, Privileged: c.Privileged, NetworkMode: container.NetworkMode(c.Mode), LogConfig: logConfig(),
		DNSSearch: o.DNSSearch, ExtraHosts: o.ExtraHosts,
		CapAdd: o.CapAdd, CapDrop: o.CapDrop, SecurityOpt: o.SecurityOpt, GroupAdd: o.GroupAdd, VolumesFrom: o.VolumesFrom,
		Runtime: o.Runtime, Tmpfs: o.Tmpfs, Sysctls: o.Sysctls, ShmSize: o.ShmSize, VolumeDriver: o.VolumeDriver,
		UsernsMode: container.UsernsMode(o.UsernsMode), PidMode: container.PidMode(o.PidMode), IpcMode: container.IpcMode(o.IpcMode),
		OomScoreAdj: o.OomScoreAdj, Resources: resources(&o), ReadonlyRootfs: c.ReadOnly,
	}
	if o.Init {
		h.Init = &o.Init
	}
	for _, text := range o.DNS {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("dns entry %q is not an IP address", text)
		}
		h.DNS = append(h.DNS, a)
	}
	return h, nil
}

func resources(o *Options) container.Resources {
	r := container.Resources{
		Memory: o.Memory, MemorySwap: o.MemorySwap, MemoryReservation: o.MemoryReservation,
		NanoCPUs: o.NanoCPUs, CPUShares: o.CPUShares, CpusetCpus: o.CpusetCPUs, CpusetMems: o.CpusetMems,
		CgroupParent: o.CgroupParent, DeviceCgroupRules: o.DeviceCgroupRules,
	}
	if o.OomKillDisable {
		r.OomKillDisable = &o.OomKillDisable
	}
	for _, d := range o.Devices {
		r.Devices = append(r.Devices, container.DeviceMapping{PathOnHost: d.Host, PathInContainer: d.Container, CgroupPermissions: d.Permissions})
	}
	for _, u := range o.Ulimits {
		r.Ulimits = append(r.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if g := o.GPUs; g != nil {
		r.DeviceRequests = []container.DeviceRequest{{
			Driver: g.Driver, Count: g.Count, DeviceIDs: g.DeviceIDs, Options: g.Options,
			Capabilities: [][]string{append([]string{"gpu"}, g.Capabilities...)},
		}}
	}
	return r
}

// linked are the entries of the hosts file for the containers that Options.Links names. The engine's own links work on the
// default bridge only, and not beside a network of the job's.
func linked(ctx context.Context, docker *client.Client, c *Container) ([]string, error) {
	var hosts []string
	for _, link := range c.Options.Links {
		name, alias, _ := strings.Cut(strings.TrimPrefix(link, "/"), ":")
		if alias == "" {
			alias = name
		}
		res, err := docker.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
		switch {
		case errdefs.IsNotFound(err):
			return nil, &ConfigError{fmt.Errorf("links names the container %s, which does not exist", name)}
		case err != nil:
			return nil, fmt.Errorf("look at the container %s that links names: %w", name, err)
		}
		address := ""
		if set := res.Container.NetworkSettings; set != nil {
			address = addressIn(c, set.Networks)
		}
		if address == "" {
			return nil, &ConfigError{fmt.Errorf("links names the container %s, which does not run on a network that container %s is on", name, c.Name)}
		}
		hosts = append(hosts, alias+":"+address)
	}
	return hosts, nil
}

// addressIn is an address at which a container with these endpoints is seen from c.
func addressIn(c *Container, endpoints map[string]*network.EndpointSettings) string {
	names := []string{c.Mode}
	if c.Mode == "" || c.Mode == "default" {
		names[0] = "bridge"
	}
	if len(c.Networks) > 0 {
		names = nil
	}
	for _, a := range c.Networks {
		names = append(names, a.Network)
	}
	for _, name := range names {
		if e := endpoints[name]; e != nil && e.IPAddress.IsValid() {
			return e.IPAddress.String()
		}
	}
	return ""
}

// knowsMAC reports whether the engine takes the MAC address of an endpoint: from 25.0 (API 1.44) on.
func knowsMAC(docker *client.Client) bool {
	return versions.GreaterThanOrEqualTo(docker.ClientVersion(), "1.44")
}

// setMAC gives the container an address on the network that it joins at its creation.
func setMAC(opts *client.ContainerCreateOptions, mac string) error {
	var address network.HardwareAddr
	if err := address.UnmarshalText([]byte(mac)); err != nil {
		return fmt.Errorf("mac_address: %w", err)
	}
	if opts.NetworkingConfig == nil {
		mode := string(opts.HostConfig.NetworkMode)
		if mode == "" {
			mode = "default"
		}
		opts.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{mode: {}}}
	}
	for _, e := range opts.NetworkingConfig.EndpointsConfig {
		e.MacAddress = address
	}
	return nil
}
