package plan

import "slices"

// effects has a row for each key that the configuration honours.
func effects() []effect {
	return slices.Concat(processEffects(), runnerEffects(), cacheEffects(), policyEffects(), limitEffects(), serviceEffects(), networkEffects(), volumeEffects(), dindEffects())
}

// processEffects are of keys that are not about one job.
func processEffects() []effect {
	return []effect{
		{key: "concurrent", shown: "internal/runner/slots_test.go TestSlotLimits"},
		{key: "check_interval", shown: "internal/runner/poll_test.go TestBackOff"},
		{key: "log_level", shown: "cmd/lced-runner/logging_test.go TestLogFollowsTheConfiguration"},
		{key: "log_format", shown: "cmd/lced-runner/logging_test.go TestLogFollowsTheConfiguration"},
		{key: "connection_max_age", shown: "jobapi/client_test.go TestConnectionMaxAge"},
		{key: "shutdown_timeout", shown: "test/e2e/hungengine_test.go TestStopWithAHungEngine"},
		{key: "lced.handover_timeout", shown: "test/e2e/stop_test.go TestNobodyComesBack"},
		{key: "lced.helper_idle", shown: "test/e2e/helperspare_test.go TestKeptHelper"},
		{key: "lced.shutdown", shown: "test/e2e/stop_test.go TestShutdownAbort"},
		{key: "lced.state_dir", shown: "cmd/lced-runner/state_test.go TestStateDir"},
		{key: "lced.min_free_disk", shown: "internal/janitor/janitor_test.go TestRefuse"},
		{key: "lced.min_free_memory", shown: "internal/janitor/janitor_test.go TestRefuse"},
		{key: "lced.disk_high_watermark", shown: "internal/janitor/janitor_test.go TestLongestUnusedGoesFirst"},
		{key: "lced.disk_low_watermark", shown: "internal/janitor/janitor_test.go TestLongestUnusedGoesFirst"},
		{key: "listen_address", shown: "test/e2e/status_test.go TestStatus"},
		{key: "session_server.listen_address", shown: "test/e2e/conformance_09_terminal_test.go TestConformance_09_Terminal"},
		{key: "session_server.advertise_address", shown: "internal/session/session_test.go TestTerminal"},
		{key: "session_server.session_timeout", shown: "internal/session/session_test.go TestWait"},
		{key: "runners.name", shown: "test/e2e/entries_test.go TestTwoGitLabs"},
		{key: "runners.url", shown: "test/e2e/entries_test.go TestTwoGitLabs"},
		{key: "runners.token", shown: "test/e2e/entries_test.go TestTwoGitLabs"},
		{key: "runners.id", shown: "cmd/lced-runner/runners_test.go TestResetToken"},
		{key: "runners.token_obtained_at", shown: "internal/runner/rotation_test.go TestTokenIsRenewed"},
		{key: "runners.token_expires_at", shown: "internal/runner/rotation_test.go TestTokenIsRenewed"},
		{key: "runners.tls-ca-file", shown: "test/e2e/https_test.go TestPrivateAuthority"},
		{key: "runners.tls-cert-file", shown: "jobapi/client_test.go TestBadTLSFiles"},
		{key: "runners.tls-key-file", shown: "jobapi/client_test.go TestBadTLSFiles"},
		{key: "runners.executor", value: `"shell"`, disabled: `its executor is "shell"`},
		{key: "runners.shell", value: `"pwsh"`, disabled: `its shell is "pwsh"`},
		{key: "runners.limit", shown: "internal/runner/slots_test.go TestSlotLimits"},
		{key: "runners.output_limit", shown: "test/e2e/conformance_04_log_test.go TestConformance_04_OutputLimit"},
		{key: "runners.request_concurrency", shown: "internal/runner/reload_test.go TestLoopsFollowRequestConcurrency"},
		{key: "runners.strict_check_interval", shown: "internal/runner/poll_test.go TestStrictCheckInterval"},
		{key: "runners.unhealthy_requests_limit", shown: "internal/runner/poll_test.go TestUnhealthy"},
		{key: "runners.unhealthy_interval", shown: "internal/runner/poll_test.go TestUnhealthy"},
		{key: "runners.job_status_final_update_retry_limit", shown: "internal/trace/finish_test.go TestFinish"},
		{key: "runners.docker.host", shown: "internal/config/load_test.go TestValues"},
		{key: "runners.docker.tls_cert_path", shown: "internal/config/load_test.go TestValues"},
		{key: "runners.docker.tls_verify", shown: "internal/config/load_test.go TestValues"},
		{key: "runners.docker.helper_image", shown: "executor/self_test.go TestOwnImage"},
	}
}

func runnerEffects() []effect {
	return []effect{
		{key: "runners.builds_dir", value: `"/srv/work"`, on: "build helper service", want: `:/srv/work"`},
		{key: "runners.cache_dir", value: `"/srv/keep"`, plan: true, want: `"root": "/srv/keep"`},
		{key: "runners.clone_url", value: `"http://mirror.lan"`, plan: true, want: "http://mirror.lan/lced/board.git"},
		{key: "runners.environment", value: `["COLOUR=green"]`, on: "build service", want: `"COLOUR=green"`},
		{key: "runners.pre_get_sources_script", value: `"echo before-git"`, plan: true, want: "echo before-git"},
		{key: "runners.post_get_sources_script", value: `"echo after-git"`, plan: true, want: "echo after-git"},
		{key: "runners.pre_build_script", value: `"echo first"`, plan: true, want: "echo first"},
		{key: "runners.post_build_script", value: `"echo last"`, plan: true, want: "echo last"},
		{key: "runners.prepare_timeout", value: `"7m"`, plan: true, want: `"PrepareTimeout": "7m0s"`},
		{key: "runners.get_sources_timeout", value: `"8m"`, plan: true, want: `"Timeout": "8m0s"`},
		{key: "runners.debug_trace_disabled", value: "true", job: `{"variables": [{"key": "CI_DEBUG_TRACE", "value": "true"}]}`, plan: true, lacks: "set -o xtrace"},
		{key: "runners.safe_directory_checkout", value: "false", plan: true, lacks: `"safe_directory": true`},
		{key: "runners.clean_git_config", value: "false", plan: true, lacks: `"clean_git_config": true`},
		{key: "runners.custom_build_dir.enabled", value: "false", job: `{"variables": [{"key": "GIT_CLONE_PATH", "value": "/builds/mine"}]}`, refused: "GIT_CLONE_PATH, which this runner does not allow"},
		{key: "runners.feature_flags", value: `{ FF_USE_INIT_WITH_DOCKER_EXECUTOR = true }`, on: "build service", want: `"Init":true`},
		{key: "runners.artifact.upload_timeout", value: `"11m"`, plan: true, want: `"timeout": 660000000000`},
		{key: "runners.artifact.response_header_timeout", value: `"12m"`, plan: true, want: `"response_timeout": 720000000000`},
	}
}

func cacheEffects() []effect {
	const s3 = "---\n[runners.cache.s3]\nAccessKey = \"a\"\nSecretKey = \"b\"\nBucketName = \"c\"\n"
	return []effect{
		{key: "runners.cache.Type", value: `"s3"`, with: s3, plan: true, want: "https://s3.example.com/runner/runnertok/project/54/modules"},
		{key: "runners.cache.Path", value: `"attic"`, with: "Type = \"s3\"\n" + s3, plan: true, want: "https://s3.example.com/attic/runner/"},
		{key: "runners.cache.Shared", value: "true", with: "Type = \"s3\"\n" + s3, plan: true, want: "https://s3.example.com/project/54/"},
		{key: "runners.cache.MaxUploadedArchiveSize", value: "4711", plan: true, want: "4711"},
		{key: "runners.cache.s3.ServerAddress", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.AccessKey", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.SecretKey", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.SessionToken", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.BucketName", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.BucketLocation", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.Insecure", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.PathStyle", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.ServerSideEncryption", shown: "internal/cache/cache_test.go TestHeadersOfAnUploadAreSigned"},
		{key: "runners.cache.s3.ServerSideEncryptionKeyID", shown: "internal/cache/cache_test.go TestHeadersOfAnUploadAreSigned"},
		{key: "runners.cache.s3.DualStack", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.Accelerate", shown: "internal/cache/cache_test.go TestSignedURLs"},
		{key: "runners.cache.s3.AuthenticationType", shown: "internal/cache/cache_test.go TestConfigurationsThatCannotBeUsed"},
	}
}

// policyEffects are of keys that say what a job may ask for.
func policyEffects() []effect {
	return []effect{
		{key: "runners.docker.image", value: `"debian:12"`, job: `{"image": {"name": ""}}`, on: "pull", want: "fromImage=docker.io%2Flibrary%2Fdebian"},
		{key: "runners.docker.pull_policy", value: `["never", "always"]`, plan: true, want: `"never"`},
		{key: "runners.docker.allowed_pull_policies", value: `["always"]`, job: `{"image": {"pull_policy": ["never"]}}`, refused: "is not one of the allowed_pull_policies ([always])"},
		{key: "runners.docker.allowed_images", value: `["debian:*"]`, with: "", job: `{"image": {"name": "busybox"}}`, refused: "image busybox is not one of the images that this runner allows"},
		{key: "runners.docker.allowed_services", value: `["mysql:*"]`, refused: "service redis:7 is not one of the services that this runner allows"},
		{key: "runners.docker.allowed_privileged_images", value: `["debian:*"]`, with: "privileged = true\n", on: "build", lacks: `"Privileged":true`},
		{key: "runners.docker.allowed_privileged_services", value: `["mysql:*"]`, with: "privileged = true\n", on: "service", lacks: `"Privileged":true`},
		{key: "runners.docker.allowed_users", value: `["nobody"]`, job: `{"image": {"executor_opts": {"docker": {"user": "root"}}}}`, refused: `user "root" is not an allowed user: [nobody]`},
		{key: "runners.docker.services_limit", value: "0", refused: "too many services requested: 1, only 0 allowed"},
		{key: "runners.docker.wait_for_services_timeout", value: "44", plan: true, want: `"Timeout": "44s"`},
		{key: "runners.docker.disable_entrypoint_overwrite", value: "true", job: `{"image": {"entrypoint": ["/tini"]}}`, plan: true, lacks: "/tini"},
		{key: "runners.docker.privileged", value: "true", on: "build service", want: `"Privileged":true`},
		{key: "runners.docker.services_privileged", value: "true", on: "service", want: `"Privileged":true`},
		{key: "runners.docker.user", value: `"1000"`, on: "build", want: `"User":"1000"`},
		{key: "runners.docker.group_add", value: `["dialout"]`, on: "build helper", want: `"GroupAdd":["dialout"]`},
		{key: "runners.docker.cap_add", value: `["CAP_NET_ADMIN"]`, on: "build helper", want: `"CapAdd":["CAP_NET_ADMIN"]`},
		{key: "runners.docker.cap_drop", value: `["CAP_NET_RAW"]`, on: "build helper", want: `"CapDrop":["CAP_NET_RAW"]`},
		{key: "runners.docker.security_opt", value: `["no-new-privileges"]`, on: "build helper", want: `"SecurityOpt":["no-new-privileges"]`},
		{key: "runners.docker.services_security_opt", value: `["apparmor=services"]`, on: "service", want: `"SecurityOpt":["apparmor=services"]`},
		{key: "runners.docker.userns_mode", value: `"host"`, on: "build helper service", want: `"UsernsMode":"host"`},
		{key: "runners.docker.runtime", value: `"sysbox-runc"`, on: "build helper service", want: `"Runtime":"sysbox-runc"`},
	}
}

func limitEffects() []effect {
	return []effect{
		{key: "runners.docker.memory", value: `"512m"`, on: "build helper", want: `"Memory":536870912`},
		{key: "runners.docker.memory_swap", value: `"1g"`, with: "memory = \"512m\"\n", on: "build helper", want: `"MemorySwap":1073741824`},
		{key: "runners.docker.memory_reservation", value: `"128m"`, on: "build helper", want: `"MemoryReservation":134217728`},
		{key: "runners.docker.oom_kill_disable", value: "true", on: "build helper", want: `"OomKillDisable":true`},
		{key: "runners.docker.oom_score_adjust", value: "-500", on: "build helper", want: `"OomScoreAdj":-500`},
		{key: "runners.docker.cpus", value: `"1.5"`, on: "build helper", want: `"NanoCpus":1500000000`},
		{key: "runners.docker.cpuset_cpus", value: `"0,2-3"`, on: "build helper", want: `"CpusetCpus":"0,2-3"`},
		{key: "runners.docker.cpuset_mems", value: `"0"`, on: "build helper", want: `"CpusetMems":"0"`},
		{key: "runners.docker.cpu_shares", value: "512", on: "build helper", want: `"CpuShares":512`},
		{key: "runners.docker.cgroup_parent", value: `"jobs.slice"`, on: "build helper", want: `"CgroupParent":"jobs.slice"`},
		{key: "runners.docker.shm_size", value: "300000", on: "build helper service", want: `"ShmSize":300000`},
		{key: "runners.docker.ulimit", value: `{ nofile = "1024:4096" }`, on: "build helper", want: `"Ulimits":[{"Name":"nofile","Hard":4096,"Soft":1024}]`},
		{key: "runners.docker.sysctls", value: `{ "net.ipv4.ip_forward" = "1" }`, on: "build helper", want: `"Sysctls":{"net.ipv4.ip_forward":"1"}`},
		{key: "runners.docker.gpus", value: `"all"`, on: "build", want: `"Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]]`},
		{key: "runners.docker.devices", value: `["/dev/ttyUSB0:/dev/tty9:r"]`, on: "build", want: `{"PathOnHost":"/dev/ttyUSB0","PathInContainer":"/dev/tty9","CgroupPermissions":"r"}`},
		{key: "runners.docker.device_cgroup_rules", value: `["c 188:* rwm"]`, on: "build", want: `"DeviceCgroupRules":["c 188:* rwm"]`},
		{key: "runners.docker.service_memory", value: `"64m"`, on: "service", want: `"Memory":67108864`},
		{key: "runners.docker.service_memory", value: `"64m"`, with: "---\n[runners.dind]\nprivileged = true\n", job: `{"image": {"name": "docker:29"}, "services": []}`, plan: true, want: `"Memory": 67108864`}, // of a sidecar
		{key: "runners.docker.service_memory_swap", value: `"128m"`, with: "service_memory = \"64m\"\n", on: "service", want: `"MemorySwap":134217728`},
		{key: "runners.docker.service_memory_reservation", value: `"32m"`, on: "service", want: `"MemoryReservation":33554432`},
		{key: "runners.docker.service_cpus", value: `"0.5"`, on: "service", want: `"NanoCpus":500000000`},
		{key: "runners.docker.service_cpuset_cpus", value: `"1"`, on: "service", want: `"CpusetCpus":"1"`},
		{key: "runners.docker.service_cpu_shares", value: "256", on: "service", want: `"CpuShares":256`},
		{key: "runners.docker.service_cgroup_parent", value: `"services.slice"`, on: "service", want: `"CgroupParent":"services.slice"`},
		{key: "runners.docker.service_gpus", value: `"device=0"`, on: "service", want: `"DeviceIDs":["0"]`},
		{key: "runners.docker.services_devices", value: `{ "redis:*" = ["/dev/fuse"], "mysql:*" = ["/dev/kvm"] }`, on: "service", want: `"Devices":[{"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"rwm"}]`},
	}
}

// serviceEffects are of the tables [[runners.docker.services]].
func serviceEffects() []effect {
	const name = "name = \"mysql:8\"\n"
	return []effect{
		{key: "runners.docker.services.name", value: `"mysql:8"`, plan: true, want: `"Title": "mysql:8"`},
		{key: "runners.docker.services.alias", value: `"db, store"`, with: name, plan: true, want: `"store"`},
		{key: "runners.docker.services.command", value: `["--skip-name-resolve"]`, with: name, plan: true, want: `"--skip-name-resolve"`},
		{key: "runners.docker.services.entrypoint", value: `["/start"]`, with: name, plan: true, want: `"/start"`},
		{key: "runners.docker.services.environment", value: `["MYSQL_DATABASE=$SITE"]`, with: name, plan: true, want: `"MYSQL_DATABASE=attic"`},
	}
}

func networkEffects() []effect {
	return []effect{
		{key: "runners.docker.network_mode", value: `"host"`, on: "build helper service", want: `"NetworkMode":"host"`},
		{key: "runners.docker.network_mtu", value: "1400", on: "network", want: `"com.docker.network.driver.mtu":"1400"`},
		{key: "runners.docker.enable_ipv6", value: "true", on: "network", want: `"EnableIPv6":true`},
		{key: "runners.docker.hostname", value: `"bench"`, on: "build helper", want: `"Hostname":"bench"`},
		{key: "runners.docker.dns", value: `["192.168.7.1"]`, on: "build helper service", want: `"Dns":["192.168.7.1"]`},
		{key: "runners.docker.dns_search", value: `["lan"]`, on: "build helper service", want: `"DnsSearch":["lan"]`},
		{key: "runners.docker.extra_hosts", value: `["gitlab.lan:192.168.7.5"]`, on: "build helper service", want: `"gitlab.lan:192.168.7.5"`},
		{key: "runners.docker.links", value: `["database:db"]`, on: "build helper", want: `"db:172.17.0.9"`},
		{key: "runners.docker.mac_address", value: `"92:d0:c6:0a:29:33"`, on: "build", want: `"MacAddress":"92:d0:c6:0a:29:33"`},
		{key: "runners.docker.pid_mode", value: `"host"`, on: "build", want: `"PidMode":"host"`},
		{key: "runners.docker.ipcmode", value: `"host"`, on: "build", want: `"IpcMode":"host"`},
		{key: "runners.docker.container_labels", value: `{ site = "$SITE" }`, on: "build helper service", want: `"site":"attic"`},
	}
}

func volumeEffects() []effect {
	return []effect{
		{key: "runners.docker.volumes", value: `["/srv/data:/data:ro"]`, on: "build helper service", want: `"/srv/data:/data:ro"`},
		{key: "runners.docker.volumes_from", value: `["tools:ro"]`, on: "build helper", want: `"VolumesFrom":["tools:ro"]`},
		{key: "runners.docker.volume_driver", value: `"nfs"`, on: "volume", want: `"Driver":"nfs"`},
		{key: "runners.docker.volume_driver_ops", value: `{ size = "10G" }`, on: "volume", want: `"DriverOpts":{"size":"10G"}`},
		{key: "runners.docker.volume_keep", value: "true", on: "remove", want: "force=1\n"},
		{key: "runners.docker.disable_cache", value: "true", with: "volumes = [\"/keep\"]\n", plan: true, want: "0123456789abcdef-cache-"},
		{key: "runners.docker.cache_dir", value: `"/srv/caches"`, on: "build helper service", want: `"/srv/caches/runner-`},
		{key: "runners.docker.tmpfs", value: `{ "/run/x" = "rw" }`, on: "build helper", want: `"Tmpfs":{"/run/x":"rw"}`},
		{key: "runners.docker.services_tmpfs", value: `{ "/run/y" = "rw" }`, on: "service", want: `"Tmpfs":{"/run/y":"rw"}`},
	}
}

func dindEffects() []effect {
	const docker = `{"image": {"name": "docker:29"}}`
	return []effect{
		{key: "runners.dind.mode", value: `"always"`, with: "privileged = true\n", plan: true, want: `[runners.dind] says mode = \"always\"`},
		{key: "runners.dind.privileged", value: "true", job: docker, plan: true, want: `"Privileged": true`},
		{key: "runners.dind.image", value: `"registry.lan/dind:29"`, with: "privileged = true\n", job: docker, plan: true, want: `"Ref": "registry.lan/dind:29"`},
		{key: "runners.dind.args", value: `["--debug"]`, with: "privileged = true\n", job: docker, plan: true, want: `"--debug"`},
		{key: "runners.dind.storage", value: `"project"`, with: "privileged = true\n", job: docker, plan: true, want: "/var/lib/docker"},
		{key: "runners.dind.storage_size_cap", shown: "dind/storage_test.go TestSurplus"},
		{key: "runners.dind.warm", shown: "test/e2e/warm_test.go TestWarm"},
		{key: "runners.dind.warm_free_memory", shown: "test/e2e/warm_test.go TestWarm"},
		{key: "runners.dind.wait_timeout", value: `"77s"`, with: "privileged = true\n", job: docker, plan: true, want: `"Timeout": "1m17s"`},
	}
}
