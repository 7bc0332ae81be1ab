package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/helper"
	"lced-runner/internal/plan"
)

const gibibyte = 1 << 30

// host starts a privileged container, as sidecars are, and looks at the host from there. If that is not possible, it looks
// from an ordinary one.
func (d *doctor) host(ctx context.Context, x executor.Examiner, r *config.Runner, image string, a *executor.About) {
	const check = "privileged containers"
	binds := []string{a.Root + ":/seen:ro"}
	s, err := look(ctx, x, image, executor.Look{Privileged: true, Network: "host", Binds: binds})
	switch wanted := wantsPrivileged(r); {
	case err == nil && s.Privileged && wanted:
		d.ok(check, "can be started, and the configuration allows them to sidecars")
	case err == nil && s.Privileged:
		d.warn(check, "set privileged = true in [runners.dind], which gives it to the sidecar only, if jobs are to build images", "can be started, but the configuration allows them to nobody: jobs get no docker daemon of their own")
	case wanted:
		d.fail(check, "use a docker engine that runs as root on the host itself, not inside another container or a sandbox", "cannot be started: %v", orUnprivileged(err))
	default:
		d.warn(check, "", "cannot be started, and the configuration does not ask for them: %v", orUnprivileged(err))
	}
	if err != nil {
		if s, err = look(ctx, x, image, executor.Look{Network: "host", Binds: binds}); err != nil {
			d.fail("containers", "look at the log of dockerd: journalctl -u docker", "no container of the helper image can be started: %v", err)
			return
		}
	}
	d.memory(s, a)
	d.disk(s, a)
	d.kernel(s)
	if foreign := emulated(s.Emulated); len(foreign) > 0 {
		d.ok("architecture", "%s; images of other architectures run by emulation: %s", a.Architecture, strings.Join(foreign, ", "))
	} else {
		d.ok("architecture", "%s; images of other architectures do not run here (for that, install qemu-user-static and binfmt-support)", a.Architecture)
	}
}

func wantsPrivileged(r *config.Runner) bool {
	return r.Docker.Privileged || r.Docker.ServicesPrivileged != nil && *r.Docker.ServicesPrivileged || r.Dind.Privileged
}

func orUnprivileged(err error) error {
	if err == nil {
		return fmt.Errorf("the container was started but may not mount")
	}
	return err
}

// look has a container of our own image look around.
func look(ctx context.Context, x executor.Examiner, image string, l executor.Look, names ...string) (*helper.Sight, error) {
	out, err := x.Look(ctx, image, append([]string{plan.Binary, "helper", "look"}, names...), l)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errNothing
	}
	s := &helper.Sight{}
	if err := json.Unmarshal(out, s); err != nil {
		return nil, fmt.Errorf("read what the container of %s saw: %w", image, err)
	}
	return s, nil
}

func (d *reporter) memory(s *helper.Sight, a *executor.About) {
	text := fmt.Sprintf("%s, of which %s are available", size(a.Memory), size(s.MemoryAvailable))
	if s.MemoryAvailable < 256<<20 { // a docker daemon alone takes about 100 MiB
		d.warn("memory", "lower concurrent, or add swap or memory", "%s: a job with a docker daemon of its own may find too little", text)
		return
	}
	d.ok("memory", "%s", text)
}

func (d *reporter) disk(s *helper.Sight, a *executor.About) {
	const check = "disk"
	const remedy = "remove what is not needed: docker system prune"
	text := fmt.Sprintf("%s of %s are free where the engine keeps its data (%s)", size(s.DiskFree), size(s.DiskSize), a.Root)
	switch {
	case s.DiskSize == 0:
		d.warn(check, "", "the room in %s cannot be seen", a.Root)
	case s.DiskFree < gibibyte:
		d.fail(check, remedy, "only %s", text)
	case s.Inodes > 0 && s.InodesFree*50 < s.Inodes:
		d.warn(check, remedy, "%s, but only %d more files can be made", text, s.InodesFree)
	case s.DiskFree < 4*gibibyte:
		d.warn(check, remedy, "only %s: images of a few jobs fill that", text)
	default:
		d.ok(check, "%s", text)
	}
}

// kernel looks at what docker and a daemon inside a container need of it.
func (d *reporter) kernel(s *helper.Sight) {
	const check = "iptables"
	switch {
	case len(s.UsedNFTables) > 0 && len(s.UsedLegacy) > 0:
		d.warn(check, "use one of them: update-alternatives --config iptables, then restart the machine", "both back ends are in use, nf_tables (%s) and the legacy one (%s): packets have to pass both", strings.Join(s.UsedNFTables, ", "), strings.Join(s.UsedLegacy, ", "))
	case len(s.UsedNFTables) > 0:
		d.ok(check, "back end nf_tables")
	case len(s.UsedLegacy) > 0:
		d.ok(check, "back end legacy")
	case s.NFTables || s.Legacy:
		d.ok(check, "the kernel has %s; no rules are set", backEnds(s))
	default:
		d.warn(check, "modprobe nf_tables, or modprobe ip_tables, and put it into /etc/modules", "the kernel has neither nf_tables nor ip_tables: a docker daemon inside a container cannot make its networks")
	}
	if !s.Overlay {
		d.warn("overlay", "modprobe overlay, and put it into /etc/modules", "the kernel has no overlay file system: a docker daemon inside a container falls back to vfs, which copies images")
	}
}

func backEnds(s *helper.Sight) string {
	switch {
	case s.NFTables && s.Legacy:
		return "the back ends nf_tables and legacy"
	case s.NFTables:
		return "the back end nf_tables"
	}
	return "the back end legacy"
}

// emulated are the handlers of foreign architectures among those of binfmt_misc.
func emulated(handlers []string) (foreign []string) {
	for _, name := range handlers {
		if arch, is := strings.CutPrefix(name, "qemu-"); is {
			foreign = append(foreign, arch)
		}
	}
	return foreign
}

// size writes bytes for people.
func size(bytes int64) string {
	if bytes >= gibibyte {
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gibibyte)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
