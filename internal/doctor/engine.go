package doctor

import (
	"context"
	"fmt"
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
		d.rootless(a)
	case a.Remaps:
		d.ok("namespaces", "the engine gives containers other users than the host's (userns-remap); sidecars get the host's")
	default:
		d.ok("namespaces", "the engine has root and does not remap users")
	}
	return a
}

// rootless tells what an engine without root is good for: from Linux 5.11 on a user namespace may mount overlay.
func (d *reporter) rootless(a *executor.About) {
	const check = "namespaces"
	var major, minor int
	if n, _ := fmt.Sscanf(a.Kernel, "%d.%d", &major, &minor); n == 2 && (major < 5 || major == 5 && minor < 11) {
		d.warn(check, "for docker-in-docker, run dockerd as root, or a kernel from 5.11 on", "the engine runs without root (rootless), and kernel %s lets it mount no overlay, so sidecars may not start", a.Kernel)
		return
	}
	if a.CgroupVersion == "1" {
		d.warn(check, "for docker-in-docker, boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or run dockerd as root", "the engine runs without root (rootless) on cgroup v1, which it does not have for itself: sidecars start, but can start no container")
		return
	}
	d.ok(check, "the engine runs without root (rootless); a sidecar on it cannot load netfilter modules, so the host has to have them")
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
