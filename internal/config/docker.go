package config

import (
	"net/netip"
	"time"
)

// Docker is [runners.docker]: the engine and what containers on it are like.
type Docker struct {
	Host        string `key:"host" check:"engine" doc:"engine, as unix:// or tcp:// URL; empty means DOCKER_HOST, DOCKER_CERT_PATH and DOCKER_TLS_VERIFY of the runner's environment, else unix:///var/run/docker.sock"`
	TLSCertPath string `key:"tls_cert_path" flag:"docker-cert-path" env:"DOCKER_CERT_PATH" doc:"directory with ca.pem, cert.pem and key.pem; used with tls_verify and a tcp:// host"`
	TLSVerify   bool   `key:"tls_verify" flag:"docker-tlsverify" doc:"speak TLS with a client certificate to a tcp:// host; no meaning for a unix socket"`

	Image               string   `key:"image" doc:"image of a job that names none"`
	HelperImage         string   `key:"helper_image" doc:"image of the helper container; empty means the runner's own"`
	PullPolicy          []string `key:"pull_policy" also:"string" oneof:"always|if-not-present|never" doc:"when images are pulled; several are tried in order"`
	AllowedPullPolicies []string `key:"allowed_pull_policies" oneof:"always|if-not-present|never" doc:"policies that a job may ask for; empty means those of pull_policy"`

	AllowedImages             []string `key:"allowed_images" check:"glob" doc:"images that jobs may use, as globs; empty means all"`
	AllowedServices           []string `key:"allowed_services" check:"glob" doc:"service images that jobs may use, as globs; empty means all"`
	AllowedPrivilegedImages   []string `key:"allowed_privileged_images" check:"glob" doc:"images that privileged applies to; empty means all"`
	AllowedPrivilegedServices []string `key:"allowed_privileged_services" check:"glob" doc:"service images that privileged applies to; empty means all"`

	Services                   []Service     `key:"services" doc:"services that every job gets"`
	ServicesLimit              int           `key:"services_limit" min:"-1" doc:"how many services a job may have; -1 means any number"`
	WaitForServicesTimeout     time.Duration `key:"wait_for_services_timeout" unit:"s" doc:"seconds to wait for services; negative means no check, 0 the default"`
	DisableEntrypointOverwrite bool          `key:"disable_entrypoint_overwrite" doc:"a job's entrypoint is ignored, for its image and its services"`

	Privileged         bool     `key:"privileged" doc:"build containers, and services unless services_privileged is set, are privileged"`
	ServicesPrivileged *bool    `key:"services_privileged" flag:"docker-services_privileged" doc:"services are privileged; unset means as privileged says"`
	User               string   `key:"user" doc:"user of the build container; wins over the job's and the image's"`
	CapAdd             []string `key:"cap_add" doc:"capabilities added"`
	CapDrop            []string `key:"cap_drop" doc:"capabilities dropped"`
	SecurityOpt        []string `key:"security_opt" doc:"security options; seccomp=PATH is read by the runner"`
	Runtime            string   `key:"runtime" doc:"OCI runtime of all containers"`

	Memory            Bytes             `key:"memory" doc:"memory of the build container, such as 512m"`
	MemorySwap        Bytes             `key:"memory_swap" doc:"memory and swap together"`
	MemoryReservation Bytes             `key:"memory_reservation" doc:"memory below which nothing is taken away when the host runs short"`
	CPUs              NanoCPUs          `key:"cpus" doc:"processors, such as 1.5, as a string"`
	CPUSetCPUs        string            `key:"cpuset_cpus" doc:"processors by number, such as 0,2-3"`
	CPUShares         int64             `key:"cpu_shares" min:"0" doc:"weight against other containers; 1024 is usual"`
	ShmSize           int64             `key:"shm_size" min:"0" doc:"size of /dev/shm in bytes; 0 means the engine's default"`
	Ulimit            map[string]Ulimit `key:"ulimit" doc:"name = soft or soft:hard"`
	Sysctls           map[string]string `key:"sysctls" doc:"kernel parameters of the container"`
	Devices           []Device          `key:"devices" doc:"host[:container[:permissions]]"`

	NetworkMode string       `key:"network_mode" doc:"bridge, host, none, container:NAME or the name of a network; empty means a network of the job's own where it needs one"`
	NetworkMTU  int          `key:"network_mtu" env:"-" min:"0" doc:"MTU of the job's network; 0 means that of the host's route"`
	EnableIPv6  bool         `key:"enable_ipv6" env:"-" doc:"the job's network has IPv6"`
	Hostname    string       `key:"hostname" doc:"host name of the build container"`
	DNS         []netip.Addr `key:"dns" doc:"name servers, by address"`
	DNSSearch   []string     `key:"dns_search" doc:"domains that short names are looked up in"`
	ExtraHosts  []string     `key:"extra_hosts" check:"host" doc:"entries of /etc/hosts, as name:address"`

	Volumes         []Volume          `key:"volumes" doc:"[source:]destination[:mode]; without a source a cache volume of the runner"`
	DisableCache    bool              `key:"disable_cache" doc:"volumes without a source live as long as one job"`
	Tmpfs           map[string]string `key:"tmpfs" doc:"path = mount options, for the build container"`
	ServicesTmpfs   map[string]string `key:"services_tmpfs" doc:"path = mount options, for services"`
	ContainerLabels map[string]string `key:"container_labels" env:"-" doc:"labels of all containers; values are expanded with the job's variables"`

	_ notYet[Bytes]               `key:"service_memory" doc:"memory of services"`
	_ notYet[Bytes]               `key:"service_memory_swap" doc:"memory and swap of services"`
	_ notYet[Bytes]               `key:"service_memory_reservation" doc:"reserved memory of services"`
	_ notYet[NanoCPUs]            `key:"service_cpus" doc:"processors of services"`
	_ notYet[string]              `key:"service_cpuset_cpus" doc:"processors of services, by number"`
	_ notYet[int64]               `key:"service_cpu_shares" doc:"weight of services"`
	_ notYet[string]              `key:"service_cgroup_parent" doc:"cgroup of services"`
	_ notYet[string]              `key:"service_gpus" flag:"docker-service_gpus" doc:"GPUs of services"`
	_ notYet[map[string][]Device] `key:"services_devices" flag:"docker-services_devices" doc:"devices of services"`
	_ notYet[[]string]            `key:"services_security_opt" doc:"security options of services"`
	_ notYet[string]              `key:"cpuset_mems" doc:"memory nodes"`
	_ notYet[string]              `key:"cgroup_parent" doc:"cgroup of the build container"`
	_ notYet[bool]                `key:"oom_kill_disable" doc:"no OOM killer"`
	_ notYet[int]                 `key:"oom_score_adjust" doc:"preference of the OOM killer"`
	_ notYet[string]              `key:"gpus" doc:"GPUs"`
	_ notYet[[]string]            `key:"device_cgroup_rules" doc:"cgroup rules for devices"`
	_ notYet[[]string]            `key:"allowed_users" flag:"docker-allowed_users" doc:"users that a job may ask for"`
	_ notYet[[]string]            `key:"group_add" doc:"additional groups"`
	_ notYet[string]              `key:"userns_mode" flag:"docker-userns" doc:"user namespace"`
	_ notYet[[]string]            `key:"links" doc:"links to other containers"`
	_ notYet[string]              `key:"mac_address" doc:"MAC address"`
	_ notYet[string]              `key:"pid_mode" doc:"PID namespace"`
	_ notYet[string]              `key:"ipcmode" env:"DOCKER_IPC_MODE" doc:"IPC namespace"`
	_ notYet[string]              `key:"cache_dir" doc:"host directory for cache volumes"`
	_ notYet[bool]                `key:"volume_keep" doc:"keep the anonymous volumes of containers"`
	_ notYet[string]              `key:"volume_driver" doc:"driver of volumes"`
	_ notYet[map[string]string]   `key:"volume_driver_ops" doc:"options of that driver"`
	_ notYet[[]string]            `key:"volumes_from" doc:"take over the volumes of other containers"`
	_ ignored[map[string]string]  `key:"log_options" why:"the runner chooses the log driver of its containers" doc:"options of the log driver"`
	_ ignored[string]             `key:"helper_image_flavor" why:"there is one helper image; helper_image replaces it" doc:"kind of helper image"`
	_ ignored[bool]               `key:"helper_image_autoset_arch_and_os" flag:"-" why:"there is one helper image; helper_image replaces it" doc:"kind of helper image"`
	_ ignored[string]             `key:"service_slot_cgroup_template" why:"it has no effect on the docker executor" doc:"cgroup of each slot"`
	_ ignored[string]             `key:"isolation" why:"it exists on Windows only" doc:"isolation of containers"`
}

// Service is one [[runners.docker.services]] table: a service that every job of the runner gets, before its own.
type Service struct {
	Name        string     `key:"name" doc:"image"`
	Alias       string     `key:"alias" doc:"host names, separated by blanks or commas"`
	Command     []string   `key:"command" doc:"arguments of the entrypoint"`
	Entrypoint  []string   `key:"entrypoint" doc:"replaces the image's entrypoint"`
	Environment []Variable `key:"environment" doc:"variables of the service"`

	_ otherExecutor `key:"suspend_data_path" doc:"kubernetes executor"`
}
