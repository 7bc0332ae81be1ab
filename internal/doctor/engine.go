package doctor

import (
	"context"
	"strconv"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/config"
)

// about tells what the engine says of itself. Without an answer it returns nil.
func (d *doctor) about(ctx context.Context, x executor.Examiner, where config.Engine) *executor.About {
	a, err := x.About(ctx)
	if err != nil {
		d.fail("engine", "look at the log of dockerd: journalctl -u docker", "%v", err)
		return nil
	}
	if major, _, _ := strings.Cut(a.Version, "."); older(major, 20) {
		d.warn("engine", "install Docker 20.10 or newer", "Docker %s at %s is older than what lced-runner is tested with", a.Version, where.Host)
	} else {
		d.ok("engine", "Docker %s (API %s) at %s", a.Version, a.API, where.Host)
	}
	d.ok("host", "%s, kernel %s, %s, %d processors", a.System, a.Kernel, a.Architecture, a.Processors)
	d.storage(a)
	d.cgroups(a)
	switch {
	case a.Rootless:
		d.warn("namespaces", "for docker-in-docker, run dockerd as root: a daemon without root cannot give a sidecar what it needs", "the engine runs without root (rootless)")
	case a.Remaps:
		d.warn("namespaces", `set userns_mode = "host" in [runners.docker], which privileged containers need there, or switch userns-remap off`, "the engine gives containers other users (userns-remap)")
	default:
		d.ok("namespaces", "the engine has root and does not remap users")
	}
	return a
}

func older(major string, than int) bool {
	n, err := strconv.Atoi(major)
	return err == nil && n < than
}

func (d *reporter) storage(a *executor.About) {
	const check = "storage driver"
	const move = "put the engine's data (" + `"data-root" in /etc/docker/daemon.json` + ") on ext4, or on xfs made with ftype=1"
	name := a.Storage
	if a.Backing != "" {
		name += " on " + a.Backing
	}
	switch {
	case a.NoDirectoryTypes:
		d.fail(check, move, "%s cannot tell files from directories (d_type), so images break", name)
	case a.Storage == "vfs":
		d.warn(check, move, "vfs copies whole images for each container: slow, and the disk is soon full")
	case a.Storage == "devicemapper", a.Storage == "aufs", a.Storage == "overlay":
		d.warn(check, `set "storage-driver": "overlay2" in /etc/docker/daemon.json`, "%s is out of date, and newer engines do not have it", name)
	default:
		d.ok(check, "%s, data in %s", name, a.Root)
	}
}

func (d *reporter) cgroups(a *executor.About) {
	const check = "cgroups"
	limits := ""
	for _, w := range a.Warnings {
		if strings.Contains(w, "No memory limit support") {
			limits = w
		}
	}
	switch {
	case limits != "":
		d.warn(check, "add cgroup_enable=memory cgroup_memory=1 to the kernel's command line (/boot/firmware/cmdline.txt on a Raspberry Pi) and restart", "memory limits of jobs have no effect: %s", strings.TrimPrefix(limits, "WARNING: "))
	case a.CgroupVersion == "1":
		d.warn(check, "start the kernel with systemd.unified_cgroup_hierarchy=1 when the system is upgraded", "version 1, driver %s: it works, but newer systems and engines give it up", a.CgroupDriver)
	default:
		d.ok(check, "version %s, driver %s", a.CgroupVersion, a.CgroupDriver)
	}
}
