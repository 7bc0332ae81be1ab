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
	HelperImage         string   `key:"helper_image" doc:"image of the helper container, of the runner's own version; empty means the runner's own. Pulled if it is not there, with the login that a job would have"`
	PullPolicy          []string `key:"pull_policy" also:"string" oneof:"always|if-not-present|never" doc:"when images are pulled; several are tried in order"`
	AllowedPullPolicies []string `key:"allowed_pull_policies" oneof:"always|if-not-present|never" doc:"policies that a job may ask for; empty means those of pull_policy"`

	AllowedImages             []string `key:"allowed_images" check:"glob" doc:"images that jobs may use, as globs; empty means all"`
	AllowedServices           []string `key:"allowed_services" check:"glob" doc:"service images that jobs may use, as globs; empty means all"`
	AllowedPrivilegedImages   []string `key:"allowed_privileged_images" check:"glob" doc:"images that privileged applies to; empty means all"`
	AllowedPrivilegedServices []string `key:"allowed_privileged_services" check:"glob" doc:"service images that privileged applies to; empty means all"`
	AllowedUsers              []string `key:"allowed_users" flag:"docker-allowed_users" doc:"users that a job may ask for; empty means the one of user if that is set, else any"`

	Services                   []Service     `key:"services" doc:"services that every job gets"`
	ServicesLimit              int           `key:"services_limit" min:"-1" doc:"how many services a job may have; -1 means any number"`
	WaitForServicesTimeout     time.Duration `key:"wait_for_services_timeout" unit:"s" doc:"seconds to wait for services; negative means no check, 0 the default"`
	DisableEntrypointOverwrite bool          `key:"disable_entrypoint_overwrite" doc:"a job's entrypoint is ignored, for its image and its services"`

	Privileged          bool     `key:"privileged" doc:"build containers, and services unless services_privileged is set, are privileged"`
	ServicesPrivileged  *bool    `key:"services_privileged" flag:"docker-services_privileged" doc:"services are privileged; unset means as privileged says"`
	User                string   `key:"user" doc:"user of the build container; wins over the job's and the image's"`
	GroupAdd            []string `key:"group_add" doc:"further groups of the user, in the build container and the helper"`
	CapAdd              []string `key:"cap_add" doc:"capabilities added, in the build container and the helper"`
	CapDrop             []string `key:"cap_drop" doc:"capabilities dropped, in the build container and the helper"`
	SecurityOpt         []string `key:"security_opt" check:"security" doc:"security options of the build container and the helper; seccomp=PATH is read by the runner"`
	ServicesSecurityOpt []string `key:"services_security_opt" check:"security" doc:"security options of services; seccomp=PATH is read by the runner"`
	UsernsMode          string   `key:"userns_mode" flag:"docker-userns" oneof:"host" doc:"host: containers have the host's user ids although the engine remaps them"`
	Runtime             string   `key:"runtime" doc:"OCI runtime of all containers"`

	Memory            Bytes             `key:"memory" doc:"memory of the build container and of the helper, such as 512m"`
	MemorySwap        Bytes             `key:"memory_swap" doc:"memory and swap together"`
	MemoryReservation Bytes             `key:"memory_reservation" doc:"memory below which nothing is taken away when the host runs short"`
	OomKillDisable    bool              `key:"oom_kill_disable" doc:"processes wait instead of being killed when the memory is used up; engines with cgroup v2 ignore it"`
	OomScoreAdjust    int               `key:"oom_score_adjust" min:"-1000" max:"1000" doc:"how gladly the kernel kills the processes when the host runs short; -1000 to 1000"`
	CPUs              NanoCPUs          `key:"cpus" doc:"processors, such as 1.5, as a string"`
	CPUSetCPUs        string            `key:"cpuset_cpus" check:"cpuset" doc:"processors by number, such as 0,2-3"`
	CPUSetMems        string            `key:"cpuset_mems" check:"cpuset" doc:"memory nodes by number"`
	CPUShares         int64             `key:"cpu_shares" min:"0" doc:"weight against other containers; 1024 is usual"`
	CgroupParent      string            `key:"cgroup_parent" doc:"cgroup in which the containers' cgroups are made"`
	ShmSize           int64             `key:"shm_size" min:"0" doc:"size of /dev/shm in bytes, services' too; 0 means the engine's default"`
	Ulimit            map[string]Ulimit `key:"ulimit" names:"ulimit" doc:"name = soft or soft:hard"`
	Sysctls           map[string]string `key:"sysctls" doc:"kernel parameters of the container"`
	Gpus              GPUs              `key:"gpus" doc:"GPUs of the build container: all, a number, or device=ID"`
	Devices           []Device          `key:"devices" doc:"host[:container[:permissions]], for the build container"`
	DeviceCgroupRules []string          `key:"device_cgroup_rules" check:"cgrouprule" doc:"what the build container may do with devices that are plugged in later, such as c 188:* rwm"`

	ServiceMemory            Bytes               `key:"service_memory" doc:"memory of each service, such as 512m"`
	ServiceMemorySwap        Bytes               `key:"service_memory_swap" doc:"memory and swap of each service together"`
	ServiceMemoryReservation Bytes               `key:"service_memory_reservation" doc:"as memory_reservation, of each service"`
	ServiceCPUs              NanoCPUs            `key:"service_cpus" doc:"processors of each service, such as 1.5, as a string"`
	ServiceCPUSetCPUs        string              `key:"service_cpuset_cpus" check:"cpuset" doc:"processors of services by number"`
	ServiceCPUShares         int64               `key:"service_cpu_shares" min:"0" doc:"weight of each service against other containers"`
	ServiceCgroupParent      string              `key:"service_cgroup_parent" doc:"cgroup in which services' cgroups are made"`
	ServiceGpus              GPUs                `key:"service_gpus" flag:"docker-service_gpus" doc:"GPUs of services: all, a number, or device=ID"`
	ServicesDevices          map[string][]Device `key:"services_devices" flag:"docker-services_devices" names:"glob" doc:"glob of service images = devices of theirs"`

	NetworkMode string       `key:"network_mode" doc:"bridge, host, none, container:NAME or the name of a network; empty means a network of the job's own"`
	NetworkMTU  int          `key:"network_mtu" env:"-" min:"0" doc:"MTU of the job's network; 0 means that of the host's route"`
	EnableIPv6  bool         `key:"enable_ipv6" env:"-" doc:"the job's network has IPv6"`
	Hostname    string       `key:"hostname" doc:"host name of the build container and the helper"`
	DNS         []netip.Addr `key:"dns" doc:"name servers, by address"`
	DNSSearch   []string     `key:"dns_search" doc:"domains that short names are looked up in"`
	ExtraHosts  []string     `key:"extra_hosts" check:"host" doc:"entries of /etc/hosts, as name:address"`
	Links       []string     `key:"links" check:"link" doc:"running containers that the build container and the helper know by name, as container[:alias]; with an empty network_mode both are on the default bridge"`
	MACAddress  string       `key:"mac_address" check:"mac" doc:"MAC address of the build container; from engine 25 on"`
	PidMode     string       `key:"pid_mode" check:"pid" doc:"host, or container:NAME: the build container sees its processes. Scripts are then stopped as docker stop does, by a signal to their shell only"`
	IpcMode     string       `key:"ipcmode" env:"DOCKER_IPC_MODE" check:"ipc" doc:"none, private, shareable, host or container:NAME: shared memory of the build container"`

	Volumes         []Volume          `key:"volumes" doc:"[source:]destination[:mode]; without a source a cache volume of the runner"`
	VolumesFrom     []string          `key:"volumes_from" check:"from" doc:"containers whose volumes the build container and the helper have too, as container[:ro]"`
	VolumeDriver    string            `key:"volume_driver" doc:"driver of cache volumes"`
	VolumeDriverOps map[string]string `key:"volume_driver_ops" doc:"options of that driver"`
	VolumeKeep      bool              `key:"volume_keep" doc:"the volumes that images make by themselves stay when their containers are removed"`
	DisableCache    bool              `key:"disable_cache" doc:"volumes without a source live as long as one job"`
	CacheDir        string            `key:"cache_dir" check:"dir" doc:"directory of the engine's host in which caches are kept, in place of cache volumes"`
	Tmpfs           map[string]string `key:"tmpfs" names:"path" doc:"path = mount options, for the build container"`
	ServicesTmpfs   map[string]string `key:"services_tmpfs" names:"path" doc:"path = mount options, for services"`
	ContainerLabels map[string]string `key:"container_labels" env:"-" doc:"labels of the job's containers; values are expanded with the job's variables"`

	_ ignored[map[string]string] `key:"log_options" names:"log" why:"the engine's log driver local, which keeps every byte of a job's log, has no such options" doc:"options of the log driver json-file"`
	_ ignored[string]            `key:"helper_image_flavor" why:"there is one helper image; helper_image replaces it" doc:"kind of helper image"`
	_ ignored[bool]              `key:"helper_image_autoset_arch_and_os" flag:"-" why:"there is one helper image; helper_image replaces it" doc:"kind of helper image"`
	_ ignored[string]            `key:"service_slot_cgroup_template" why:"it has no effect on the docker executor" doc:"cgroup of each slot"`
	_ ignored[string]            `key:"isolation" oneof:"default|process|hyperv" why:"it exists on Windows only" doc:"isolation of containers"`
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
