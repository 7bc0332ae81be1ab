package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/helper"
)

// TestFindings holds each judgement to what it is made of.
func TestFindings(t *testing.T) {
	t.Parallel()
	noMemory := []string{"WARNING: No swap limit support", "WARNING: No memory limit support"}
	now := time.Now()
	for name, test := range map[string]struct {
		judge func(*reporter)
		level Level
		texts []string
	}{
		"overlay2":         {func(r *reporter) { r.storage(&executor.About{Storage: "overlay2", Backing: "extfs"}) }, OK, []string{"overlay2 on extfs"}},
		"no d_type":        {func(r *reporter) { r.storage(&executor.About{Storage: "overlay2", NoDirectoryTypes: true}) }, Fail, []string{"ftype=1"}},
		"vfs":              {func(r *reporter) { r.storage(&executor.About{Storage: "vfs"}) }, Warn, []string{"data-root"}},
		"devicemapper":     {func(r *reporter) { r.storage(&executor.About{Storage: "devicemapper"}) }, Warn, []string{"overlay2"}},
		"cgroups 2":        {func(r *reporter) { r.cgroups(&executor.About{CgroupVersion: "2", CgroupDriver: "systemd"}) }, OK, []string{"version 2"}},
		"cgroups 1":        {func(r *reporter) { r.cgroups(&executor.About{CgroupVersion: "1"}) }, Warn, []string{"unified"}},
		"rootless":         {func(r *reporter) { r.rootless(&executor.About{Kernel: "6.1.0-13", CgroupVersion: "2"}) }, OK, []string{"netfilter"}},
		"rootless, old":    {func(r *reporter) { r.rootless(&executor.About{Kernel: "5.10.1", CgroupVersion: "2"}) }, Warn, []string{"5.10.1"}},
		"rootless, v1":     {func(r *reporter) { r.rootless(&executor.About{Kernel: "6.1", CgroupVersion: "1"}) }, Warn, []string{"can start no container"}},
		"no memory limits": {func(r *reporter) { r.cgroups(&executor.About{CgroupVersion: "2", Warnings: noMemory}) }, Warn, []string{"cgroup_enable=memory"}},
		"little memory": {func(r *reporter) {
			r.memory(&helper.Sight{MemoryAvailable: 100 << 20}, &executor.About{Memory: 1 << 30})
		}, Warn, []string{"1.0 GiB", "100 MiB"}},
		"memory":      {func(r *reporter) { r.memory(&helper.Sight{MemoryAvailable: 1 << 30}, &executor.About{}) }, OK, nil},
		"full disk":   {func(r *reporter) { r.disk(&helper.Sight{DiskSize: 8 << 30, DiskFree: 1 << 20}, &executor.About{}) }, Fail, []string{"1 MiB of 8.0 GiB"}},
		"little disk": {func(r *reporter) { r.disk(&helper.Sight{DiskSize: 8 << 30, DiskFree: 2 << 30}, &executor.About{}) }, Warn, []string{"2.0 GiB"}},
		"no more files": {func(r *reporter) {
			r.disk(&helper.Sight{DiskSize: 1 << 40, DiskFree: 1 << 39, Inodes: 1000, InodesFree: 3}, &executor.About{})
		}, Warn, []string{"3 more files"}},
		"disk":        {func(r *reporter) { r.disk(&helper.Sight{DiskSize: 8 << 30, DiskFree: 7 << 30}, &executor.About{}) }, OK, nil},
		"unseen disk": {func(r *reporter) { r.disk(&helper.Sight{}, &executor.About{Root: "/var/lib/docker"}) }, Warn, []string{"/var/lib/docker"}},
		"nf_tables": {func(r *reporter) {
			r.kernel(&helper.Sight{Overlay: true, NFTables: true, UsedNFTables: []string{"nat"}, Legacy: true})
		}, OK, []string{"nf_tables"}},
		"legacy": {func(r *reporter) {
			r.kernel(&helper.Sight{Overlay: true, NFTables: true, UsedLegacy: []string{"nat"}, Legacy: true})
		}, OK, []string{"legacy"}},
		"unused": {func(r *reporter) { r.kernel(&helper.Sight{Overlay: true, NFTables: true, Legacy: true}) }, OK, []string{"nf_tables and legacy"}},
		"both": {func(r *reporter) {
			r.kernel(&helper.Sight{Overlay: true, UsedNFTables: []string{"a"}, UsedLegacy: []string{"b"}})
		}, Warn, []string{"(a)", "(b)"}},
		"neither":       {func(r *reporter) { r.kernel(&helper.Sight{Overlay: true}) }, Warn, []string{"modprobe"}},
		"no overlay":    {func(r *reporter) { r.kernel(&helper.Sight{NFTables: true}) }, Warn, []string{"no overlay"}},
		"mtu":           {func(r *reporter) { r.mtu(1500, 1400) }, OK, []string{"1500", "1400"}},
		"narrow route":  {func(r *reporter) { r.mtu(1400, 1500) }, Warn, []string{`"mtu": 1400`}},
		"no route":      {func(r *reporter) { r.mtu(0, 1500) }, Warn, []string{"no default route"}},
		"clock":         {func(r *reporter) { r.clock(now, now.Add(2*time.Second)) }, OK, nil},
		"slow clock":    {func(r *reporter) { r.clock(now, now.Add(time.Minute)) }, Warn, []string{"1m0s behind"}},
		"clock of 1970": {func(r *reporter) { r.clock(time.Unix(0, 0), now) }, Fail, []string{"behind", "set-ntp"}},
		"fast clock":    {func(r *reporter) { r.clock(now.Add(time.Hour), now) }, Fail, []string{"1h0m0s ahead"}},
		"token":         {func(r *reporter) { r.expiry(&config.Runner{TokenExpiresAt: now}, now) }, OK, nil},
		"unknown end":   {func(r *reporter) { r.expiry(&config.Runner{}, now) }, Warn, []string{"token_expires_at = 2"}},
	} {
		var found []Finding
		test.judge(&reporter{report: func(f Finding) { found = append(found, f) }})
		// What is worst counts: a kernel has several judgements.
		worst := found[len(found)-1]
		if worst.Level != test.level {
			t.Errorf("%s: %+v, want %s", name, found, test.level)
		}
		for _, text := range test.texts {
			if !strings.Contains(worst.Text+worst.Remedy, text) {
				t.Errorf("%s: no %q in %+v", name, text, worst)
			}
		}
		if worst.Level == Fail && worst.Remedy == "" {
			t.Errorf("%s: nothing to do", name)
		}
	}
}

func TestDindImage(t *testing.T) {
	t.Parallel()
	all := []string{"busybox:latest", "docker:27-cli", "docker:latest", "docker:dind", "harbor.lan/lib/docker:27-dind"}
	for _, test := range []struct {
		configured string
		images     []string
		want       string
	}{
		{"", all, "docker:dind"},
		{"harbor.lan/lib/docker:27-dind", all, "harbor.lan/lib/docker:27-dind"},
		{"absent:dind", all, "docker:dind"},
		{"", all[:3], "docker:latest"},
		{"", slices.Concat(all[:2], all[4:]), "harbor.lan/lib/docker:27-dind"},
		{"", all[:2], ""},
	} {
		if got := dindImage(test.images, test.configured); got != test.want {
			t.Errorf("%q of %q: %q, want %q", test.configured, test.images, got, test.want)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{"": "", "alpine": "", "library/alpine": "", "$IMAGE": "", "harbor.lan:5000/a/b:1": "harbor.lan", "localhost/a": "localhost", "ghcr.io/a": "ghcr.io"} {
		if got := registryHost(image); got != want {
			t.Errorf("registry of %q: %q, want %q", image, got, want)
		}
	}
	log := "section_start:1:x\r\x1b[0K\x1b[36;1mfirst\x1b[0;m\nsecond\r\n\nthird\n\x1b[31;1mERROR: Job failed\x1b[0;m\n"
	if got, want := lastLines(log, 3), "second | third | ERROR: Job failed"; got != want {
		t.Errorf("last lines %q, want %q", got, want)
	}
}
