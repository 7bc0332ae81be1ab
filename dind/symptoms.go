package dind

// daemonSymptoms are in the sidecar's log. The order matters: what ends dockerd comes before what its entrypoint complains of
// on the way (iptables and modprobe do so on healthy boards, too).
func daemonSymptoms() []symptom {
	return []symptom{
		{signs: []string{"docker.sock: device or resource busy"},
			sentence: "the host's docker socket is mounted into the docker-in-docker service, so its daemon cannot make a socket there: use the host's socket without a dind service, or take docker.sock out of volumes in [runners.docker]."},
		{signs: []string{"exec format error", "does not match the detected host platform"},
			sentence: "the image is for another processor architecture than this board: use a multi-architecture image, or one for this board."},
		{signs: []string{"no space left on device", "No space left on device"},
			sentence: "the board's disk is full: remove unused images and volumes (docker system prune), or give Docker a larger disk."},
		{signs: []string{"cannot allocate memory", "Cannot allocate memory", "out of memory"}, quiet: true,
			sentence: "the board has too little memory for another docker daemon: let fewer jobs run at once (concurrent), or add swap."},
		{signs: []string{"too many open files"},
			sentence: `the limit on open files is too low for the docker daemon: raise it with --default-ulimit=nofile=65536:65536 in args of [runners.dind], or nofile in the host's docker service.`},
		{signs: []string{"certificate is not yet valid", "certificate has expired"}, quiet: true,
			sentence: "the board's clock is wrong, so the daemon's certificate is not valid: synchronise the clock (NTP), and let the runner start after that."},
		{signs: []string{"'overlay' is not supported over", "overlayfs: upper fs does not support", "driver not supported: overlay2", `"overlay2" failed`, "overlayfs: filesystem on", "failed to mount overlay: invalid argument"},
			sentence: "the daemon's /var/lib/docker lies on a file system that overlay cannot use: keep it a volume on ext4 or xfs, or as a last resort add --storage-driver=vfs to args of [runners.dind]."},
		{signs: []string{"graphdriver: driver not supported", "Failed to GetDriver graph"},
			sentence: "the docker daemon cannot use the storage driver that it was told to: take --storage-driver out of the service's command, or out of args in [runners.dind]."},
		{signs: []string{"cgroup mountpoint does not exist", "Devices cgroup isn't mounted"},
			sentence: "this docker-in-docker image does not know the board's kind of cgroups: use docker:20.10-dind or a later one for cgroup v2, and one before docker:29-dind, or a board with cgroup v2, for cgroup v1."},
		{signs: []string{"unable to apply cgroup configuration: mkdir /sys/fs/cgroup/…permission denied"},
			sentence: "the host's engine runs without root and does not have its cgroups for itself, so a daemon on it can start no container: boot the host with cgroup v2 (systemd.unified_cgroup_hierarchy=1) and delegate it to the engine's user, or run the engine as root."},
		{signs: []string{"cannot enter cgroupv2"},
			sentence: "the dind wrapper that prepares the cgroups was not run: leave entrypoint out of the dind service, and dockerd out of its command."},
		{signs: []string{"/proc/self/exe: operation not permitted", "rootlesskit:failed to start the child", "need 'kernel.unprivileged_userns_clone'", "need 'user.max_user_namespaces'", "failed to setup UID/GID map"},
			sentence: "the host forbids unprivileged user namespaces, which a rootless daemon needs: set the sysctls kernel.unprivileged_userns_clone=1, user.max_user_namespaces=28633 and kernel.apparmor_restrict_unprivileged_userns=0 on the host, or use docker:dind."},
		{signs: []string{"ip tuntap add name", "/dev/net/tun"},
			sentence: "a rootless daemon cannot open /dev/net/tun, where it has its network: on the host, load the module (modprobe tun) and let every user open it (chmod 0666 /dev/net/tun, as udev does), or use docker:dind."},
		{signs: []string{"rootlesskit:…failed to share mount point"}, sentence: notPrivileged},
		{signs: []string{"attempting to run rootless dockerd but need writable HOME"},
			sentence: "the directories of the rootless image belong to another user than its daemon, as they do where the host's engine remaps users (userns-remap): use docker:dind there."},
		{signs: []string{"the following directives are specified both as a flag and in the configuration file"},
			sentence: "an option of the docker daemon is both in /etc/docker/daemon.json and among its arguments: remove it from the file, from args of [runners.dind], or from the service's command."},
		{signs: []string{"unknown flag:", "unknown shorthand flag:", "flag provided but not defined:"}, quiet: true,
			sentence: "this version of the docker daemon does not know one of its arguments: correct args in [runners.dind], or the service's command."},
		{signs: []string{"tcp port: address already in use", "bind: address already in use"}, quiet: true,
			sentence: "something in the sidecar's network already listens on the daemon's port: two daemons share a network, so leave network_mode = \"host\" out of [runners.docker]."},
		{signs: []string{"invalid TLS configuration", "could not load X509 key pair", "could not read CA certificate"},
			sentence: "the daemon did not find usable certificates under DOCKER_TLS_CERTDIR: leave the volume there out of volumes in [runners.docker], and the runner provides them."},
		{signs: []string{"pid file found, ensure docker is not running", "timeout waiting for lock", "boltdb: timeout", "metadata.db: timeout"},
			sentence: "another docker daemon uses the same /var/lib/docker: take that bind out of volumes in [runners.docker], so that each job has its own."},
		{signs: []string{"permission denied (are you root?)", "mount: /…: permission denied", "you must be root to run", "dockerd needs to be started with root"},
			sentence: notPrivileged},
		{signs: []string{"operation not permitted", "Operation not permitted"}, quiet: true, sentence: notPrivileged},
		{signs: addressPools(), sentence: "the docker daemon has no free range of addresses for its network: give it others with --bip=10.201.0.1/24 and --default-address-pool=base=10.202.0.0/16,size=24 in args of [runners.dind]."},
		{signs: []string{"Failed to initialize nft", "can't initialize iptables table", "TABLE_ADD failed", "failed to create NAT chain", "Failed to Setup IP tables", "failed to register \"bridge\" driver",
			"No chain/target/match by that name", "Table does not exist (do you need to insmod?)", "Could not fetch rule set generation id"},
			sentence: "the host's kernel lacks netfilter modules that the docker daemon needs, or has the other kind: load them on the host (modprobe -a iptable_nat nft_chain_nat nft_compat xt_addrtype xt_conntrack xt_MASQUERADE br_netfilter), or set DOCKER_IPTABLES_LEGACY: \"1\" for the service."},
		{signs: []string{"modprobe: can't change directory to '/lib/modules'"}, quiet: true,
			sentence: "the sidecar cannot load kernel modules, since /lib/modules of the host is not there: install it on the host, or load the modules there (modprobe -a overlay br_netfilter iptable_nat)."},
	}
}

const notPrivileged = "the docker-in-docker container is not privileged: set [runners.dind] privileged = true in config.toml."

// addressPools are the words of a daemon whose networks cannot have another subnet: before Docker 26, since, and at its start.
func addressPools() []string {
	return []string{"could not find an available, non-overlapping", "all predefined address pools have been fully subnetted", "no available network", "No available addresses on this pool", "Error initializing network controller…address pool"}
}

// ofDaemon are lines in which the docker command says something of its daemon; clients since 28 have the last words.
func ofDaemon(texts ...string) []string {
	return signsOf([]string{"error during connect", "Cannot connect to the Docker daemon", "docker API at"}, texts)
}

// ofRegistry are lines in which a daemon, or its buildkit, says something of a registry.
func ofRegistry(texts ...string) []string {
	return signsOf([]string{"Error response from daemon", "failed to do request", "failed to resolve", "error pulling image", "failed to authorize"}, texts)
}

func signsOf(speakers, texts []string) []string {
	var signs []string
	for _, speaker := range speakers {
		for _, text := range texts {
			signs = append(signs, speaker+"…"+text)
		}
	}
	return signs
}

// clientSymptoms are what the docker command in a job says. A line is often enough about both: the first that fits counts.
func clientSymptoms() []symptom {
	return []symptom{
		{signs: []string{"lookup docker on ", "lookup docker: "}, effect: true,
			sentence: "no container called docker runs on the job's network: the dind service did not start or has ended (its log says why), or it needs alias: docker."},
		{signs: ofDaemon("no such host"),
			sentence: "DOCKER_HOST names a host that does not exist on the job's network: use the host name docker, or make the name an alias of the dind service."},
		{signs: []string{"permission denied while trying to connect to the "},
			sentence: "the job's user may not use the docker socket: run the job as root (user in [runners.docker]), or give it the socket's group with group_add in [runners.docker]."},
		{signs: ofDaemon("server gave HTTP response to HTTPS client"),
			sentence: "the docker command spoke TLS to a port without it: leave DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_TLS_CERTDIR out of the job, and the runner sets them to match."},
		{signs: ofRegistry("server gave HTTP response to HTTPS client"),
			sentence: "the registry has no TLS: add --insecure-registry=HOST:PORT to args of [runners.dind], or to insecure-registries of the host's engine."},
		{signs: []string{"Client sent an HTTP request to an HTTPS server"},
			sentence: "the docker command spoke without TLS to a port that wants it: leave DOCKER_HOST and DOCKER_TLS_VERIFY out of the job, and the runner sets them to match."},
		{signs: []string{"unable to resolve docker endpoint: Invalid bind address format", "unable to parse docker host"},
			sentence: "DOCKER_HOST is not written as docker reads it: write tcp://docker:2376, or leave it out of the job, and the runner sets it."},
		{signs: []string{"unable to resolve docker endpoint: open "},
			sentence: "DOCKER_TLS_VERIFY or DOCKER_CERT_PATH is set, but the client certificates are not there: leave both out of the job, and the runner sets them."},
		{signs: ofDaemon("x509: certificate is valid for"),
			sentence: "the daemon's certificate does not have the name that DOCKER_HOST uses: use the host name docker, or make the name an alias of the service."},
		{signs: []string{"x509: certificate has expired or is not yet valid"},
			sentence: "the board's clock is wrong, or a certificate is old: synchronise the clock (NTP)."},
		{signs: append(ofDaemon("x509: certificate signed by unknown authority", "tls: bad certificate", "tls: unknown certificate authority", "tls: certificate required", "remote error: tls"),
			"certificate signed by unknown authority…docker:dind CA"),
			sentence: "the client's certificates belong to another daemon: leave certificate volumes out of [runners.docker], and DOCKER_CERT_PATH out of the job."},
		{signs: ofRegistry("x509: certificate signed by unknown authority"),
			sentence: "the registry's authority is unknown to the docker daemon: put its certificate at /etc/docker/certs.d/HOST:PORT/ca.crt on the host, from where the sidecar gets it."},
		{signs: ofDaemon("EOF"),
			sentence: "the docker daemon ended while it was being used: it was probably killed for want of memory; let the job do less at once, or give the board more."},
		{signs: []string{"Cannot connect to the Docker daemon at tcp://", "failed to connect to the docker API at tcp://"}, effect: true,
			sentence: "the docker daemon does not listen where DOCKER_HOST says: leave DOCKER_HOST and DOCKER_TLS_CERTDIR out of the job, and the runner sets them to match."},
		{signs: []string{"Cannot connect to the Docker daemon at unix://", "failed to connect to the docker API at unix://"},
			sentence: "DOCKER_HOST is not set and no docker socket is mounted: add the service docker:dind, or LCED_DIND: \"true\", to the job."},
		{signs: []string{"Minimum supported API version is"},
			sentence: "the docker client is too old for the daemon: use a newer client, or set DOCKER_MIN_API_VERSION: \"1.24\" for the dind service."},
		{signs: []string{"net/http: TLS handshake timeout"},
			sentence: "large packets are lost on the way, since the inner network's MTU is above the outer's: set network_mtu in [runners.docker], or --mtu=N in args of [runners.dind], to the uplink's MTU."},
		{signs: []string{"toomanyrequests"},
			sentence: "Docker Hub's limit on pulls is reached: set a registry mirror (--registry-mirror=URL in args of [runners.dind]), or log in."},
		{signs: addressPools(),
			sentence: "the docker daemon has no subnet left for another network: remove networks that nobody uses (docker network prune), or give it more with --default-address-pool=base=10.202.0.0/16,size=24 in args of [runners.dind]."},
	}
}
