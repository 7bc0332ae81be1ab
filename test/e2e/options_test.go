package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/coordinator"
)

// TestEngineOptions has the engine do what [runners.docker] says, and a job look at it from the inside: limits and
// identity, neighbours on the engine, and what this engine cannot do.
func TestEngineOptions(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, map[string]string{"hello.txt": "a file of the repository\n"})
	caches := filepath.Join(w.dir, "caches")
	tools := w.neighbour()
	profile := filepath.Join(w.dir, "no-sync.json")
	text := `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]}`
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config := "concurrent = 6\ncheck_interval = 1\n"
	times := map[string]string{
		"prepare": "  prepare_timeout = \"1ms\"\n",
		"sources": "  get_sources_timeout = \"2s\"\n  pre_get_sources_script = \"sleep 300\"\n",
	}
	for tag, options := range map[string]string{
		"limits": fmt.Sprintf(`
    memory = "96m"
    memory_swap = "96m"
    memory_reservation = "64m"
    cpus = "0.5"
    cpu_shares = 512
    shm_size = 1048576
    oom_score_adjust = 321
    hostname = "bench"
    group_add = ["4711"]
    cap_drop = ["NET_RAW"]
    cap_add = ["SYS_ADMIN"]
    security_opt = ["no-new-privileges", "seccomp=%s"]
    devices = ["/dev/zero:/dev/nought:r"]
    device_cgroup_rules = ["c 189:* rwm"]
    ipcmode = "private"
    pid_mode = "host"
    dns_search = ["attic.lan"]
    extra_hosts = ["harbor.lan:192.0.2.7"]
    volumes = ["/keep"]
    cache_dir = %q
    service_memory = "48m"
    service_cpus = "0.5"
    service_cpu_shares = 256
    services_security_opt = ["no-new-privileges"]
    services_tmpfs = { "/run/y" = "rw" }
    services_devices = { "lced-test/*" = ["/dev/zero:/dev/nought"] }
    ulimit = { nofile = "1000:2000" }
    sysctls = { "net.ipv4.ip_default_ttl" = "42" }
    tmpfs = { "/run/x" = "rw,size=64k" }
`, profile, caches),
		"neighbours": fmt.Sprintf("\n    links = [\"%s:toolbox\"]\n    volumes_from = [\"%s:ro\"]\n    volume_keep = true\n    mac_address = \"92:d0:c6:0a:29:33\"\n", tools, tools),
		"gpu":        "\n    gpus = \"all\"\n",
		"prepare":    "\n",
		"sources":    "\n",
	} {
		token := "glrt-options-" + tag + "00000000"
		w.gitlab.AddRunner(coordinator.Runner{Token: token, Tags: []string{tag}})
		config += fmt.Sprintf("[[runners]]\n  name = %q\n  url = %q\n  token = %q\n  executor = \"docker\"\n  limit = 1\n%s  [runners.docker]\n    pull_policy = \"if-not-present\"%s", tag, w.url, token, times[tag], options)
	}
	w.writeConfig(config)
	w.startRunner()
	tagged := func(tag string, script ...string) coordinator.JobSpec {
		spec := job(script...)
		spec.Job.Tags = []string{tag}
		return spec
	}
	inside := tagged("limits",
		"cat hello.txt",
		"cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true",
		"echo files $(ulimit -Sn) $(ulimit -Hn)", "echo ttl $(cat /proc/sys/net/ipv4/ip_default_ttl)",
		"echo oom $(cat /proc/self/oom_score_adj)", "echo host $(hostname)", "echo groups $(id -G)",
		"grep -E 'CapEff|NoNewPrivs' /proc/self/status", "hostname other || echo the profile holds",
		"dd if=/dev/nought bs=1 count=3 2>/dev/null | wc -c", "df -k /dev/shm | tail -n 1", "grep /run/x /proc/mounts",
		"cat /etc/resolv.conf", "cat /etc/hosts", "test $$ -gt 1 && echo other processes are seen",
		"echo kept: $(cat /keep/mark)", "echo from the first job >/keep/mark",
	)
	w.play([]scenario{
		{"limits", beside(inside, listener("db", "0")), succeeds(
			"a file of the repository\n", "\n100663296\n", "files 1000 2000\n", "ttl 42\n", "oom 321\n", "host bench\n", " 4711\n", "NoNewPrivs:\t1\n", "the profile holds\n",
			"\n3\n", " 1024 ", "tmpfs /run/x tmpfs rw", "search attic.lan", "192.0.2.7\tharbor.lan", "other processes are seen\n", "kept:\n")},
		{"limits once more", inside, succeeds("kept: from the first job\n")},
		{"neighbours", tagged("neighbours", "cat /tools/mark", "nc toolbox 80 </dev/null"), succeeds(
			"a tool\n", "hello from the neighbour\n", "volume_keep of [runners.docker] is set", "mac_address of [runners.docker] has no effect")},
		{"no time to prepare", tagged("prepare", "echo never"), lacks(fails("job_execution_timeout", 0, "the preparation of the job took longer than 1ms"), "\nnever\n")},
		{"no time for git", tagged("sources", "echo never"), lacks(fails("job_execution_timeout", 0, "get_sources took longer than 2s"), "\nnever\n")},
		{"an engine without GPUs", tagged("gpu", "echo never"), lacks(fails("runner_configuration_error", 0, `could not select device driver`), "\nnever\n")},
	})
	if kept, err := filepath.Glob(filepath.Join(caches, "runner-*", "*", "mark")); err != nil || len(kept) != 1 {
		t.Errorf("caches on the host: %v (%v), want one with a mark", kept, err)
	}
}

// neighbour is a container of the operator's, with a volume and a port, and returns its name.
func (w *world) neighbour() string {
	w.t.Helper()
	name := fmt.Sprintf("lced-e2e-tools-%d", os.Getpid())
	made, err := w.docker.ContainerCreate(w.t.Context(), client.ContainerCreateOptions{Name: name, Config: &container.Config{
		Image: "busybox:latest", Volumes: map[string]struct{}{"/tools": {}},
		Cmd: []string{"sh", "-c", "echo a tool >/tools/mark; while :; do echo hello from the neighbour | nc -l -p 80; done"},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.drain()
		if _, err := w.docker.ContainerRemove(cleanupContext(), made.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			w.t.Error(err)
		}
	})
	if _, err := w.docker.ContainerStart(w.t.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return name
}
