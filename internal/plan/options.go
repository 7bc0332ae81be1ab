package plan

import (
	"maps"
	"slices"

	"lced-runner/executor"
	"lced-runner/internal/config"
)

// buildOptions are the engine's options for the build container.
func buildOptions(c *compiler) executor.Options {
	d := &c.Runner.Docker
	o := helperOptions(c)
	o.Init = c.flags["FF_USE_INIT_WITH_DOCKER_EXECUTOR"]
	o.GPUs, o.Devices, o.DeviceCgroupRules = gpus(d.Gpus), devices(d.Devices), d.DeviceCgroupRules
	o.MACAddress, o.PidMode, o.IpcMode = d.MACAddress, d.PidMode, d.IpcMode
	return o
}

// helperOptions are those that build container and helper share. The helper works on the same files within the same limits,
// but it needs no device, and no process or memory of others.
func helperOptions(c *compiler) executor.Options {
	d := &c.Runner.Docker
	o := allOptions(c)
	o.CapAdd, o.CapDrop, o.SecurityOpt, o.GroupAdd = d.CapAdd, d.CapDrop, d.SecurityOpt, d.GroupAdd
	o.Memory, o.MemorySwap, o.MemoryReservation = int64(d.Memory), int64(d.MemorySwap), int64(d.MemoryReservation)
	o.OomKillDisable, o.OomScoreAdj = d.OomKillDisable, d.OomScoreAdjust
	o.NanoCPUs, o.CPUShares, o.CpusetCPUs, o.CpusetMems = int64(d.CPUs), d.CPUShares, d.CPUSetCPUs, d.CPUSetMems
	o.CgroupParent, o.Sysctls, o.Links, o.VolumesFrom, o.VolumeDriver = d.CgroupParent, d.Sysctls, d.Links, d.VolumesFrom, d.VolumeDriver
	o.Tmpfs = d.Tmpfs
	for _, name := range slices.Sorted(maps.Keys(d.Ulimit)) {
		o.Ulimits = append(o.Ulimits, executor.Ulimit{Name: name, Soft: d.Ulimit[name].Soft, Hard: d.Ulimit[name].Hard})
	}
	return o
}

// serviceOptions are those of a service with this image; a sidecar is one too.
func serviceOptions(c *compiler, image string) executor.Options {
	d := &c.Runner.Docker
	o := allOptions(c)
	o.Init = c.flags["FF_USE_INIT_WITH_DOCKER_EXECUTOR"]
	o.SecurityOpt, o.Tmpfs = d.ServicesSecurityOpt, d.ServicesTmpfs
	o.Memory, o.MemorySwap, o.MemoryReservation = int64(d.ServiceMemory), int64(d.ServiceMemorySwap), int64(d.ServiceMemoryReservation)
	o.NanoCPUs, o.CPUShares, o.CpusetCPUs = int64(d.ServiceCPUs), d.ServiceCPUShares, d.ServiceCPUSetCPUs
	o.CgroupParent, o.GPUs = d.ServiceCgroupParent, gpus(d.ServiceGpus)
	for _, glob := range slices.Sorted(maps.Keys(d.ServicesDevices)) {
		if matches([]string{glob}, image) {
			o.Devices = append(o.Devices, devices(d.ServicesDevices[glob])...)
		}
	}
	return o
}

// allOptions are those that every container of the job has.
func allOptions(c *compiler) executor.Options {
	d := &c.Runner.Docker
	o := executor.Options{
		DNSSearch: d.DNSSearch, ExtraHosts: d.ExtraHosts, ShmSize: d.ShmSize, Runtime: d.Runtime, UsernsMode: d.UsernsMode,
	}
	for _, a := range d.DNS {
		o.DNS = append(o.DNS, a.String())
	}
	return o
}

func devices(list []config.Device) []executor.Device {
	var out []executor.Device
	for _, d := range list {
		out = append(out, executor.Device{Host: d.HostPath, Container: d.ContainerPath, Permissions: d.Permissions})
	}
	return out
}

func gpus(g config.GPUs) *executor.GPUs {
	if g.None() {
		return nil
	}
	return &executor.GPUs{Driver: g.Driver, Count: g.Count, DeviceIDs: g.DeviceIDs, Capabilities: g.Capabilities, Options: g.Options}
}
