package dind

import (
	"fmt"
	"strings"
)

// Exit is how a container ended.
type Exit struct {
	Code      int  // exit status; 0 also for one that still runs
	OOMKilled bool // the kernel killed it for want of memory
}

// Diagnose explains the end of a sidecar, or a docker command's failure to reach it, in one sentence with cause and remedy.
// It is empty where the log's last lines hold nothing known.
func Diagnose(logTail []byte, exit Exit) string {
	if exit.OOMKilled {
		return "the docker daemon's container ran out of memory and was killed: raise service_memory in [runners.docker], or let the job do less at once."
	}
	log := string(logTail)
	for _, s := range append(daemonSymptoms(), clientSymptoms()...) {
		for _, sign := range s.signs {
			if strings.Contains(log, sign) {
				return s.sentence
			}
		}
	}
	switch exit.Code {
	case 126, 127:
		return fmt.Sprintf("the sidecar's image could not start its command (exit code %d): it is no docker-in-docker image; set image in [runners.dind] to docker:dind or the like.", exit.Code)
	case 137:
		return "the sidecar was killed (exit code 137) and its log gives no reason: the board is probably short of memory, or somebody removed the container."
	}
	return ""
}

// symptom is what a log says and what it means.
type symptom struct {
	signs    []string // any of them
	sentence string
}

// daemonSymptoms are in the sidecar's log. The order matters: what ends dockerd comes before what its entrypoint complains of
// on the way (iptables and modprobe do so on healthy boards, too).
func daemonSymptoms() []symptom {
	return []symptom{
		{[]string{"docker.sock: device or resource busy"},
			"the host's docker socket is mounted into the docker-in-docker service, so its daemon cannot make a socket there: use the host's socket without a dind service, or take docker.sock out of volumes in [runners.docker]."},
		{[]string{"exec format error", "does not match the detected host platform"},
			"the image is for another processor architecture than this board: use a multi-architecture image, or one for this board."},
		{[]string{"no space left on device"},
			"the board's disk is full: remove unused images and volumes (docker system prune), or give Docker a larger disk."},
		{[]string{"too many open files"},
			`the limit on open files is too low for the docker daemon: raise it with --default-ulimit=nofile=65536:65536 in args of [runners.dind], or nofile in the host's docker service.`},
		{[]string{"'overlay' is not supported over", "overlayfs: upper fs does not support", "driver not supported: overlay2", `"overlay2" failed`},
			"the daemon's /var/lib/docker lies on a file system that overlay cannot use: keep it a volume on ext4 or xfs, or as a last resort add --storage-driver=vfs to args of [runners.dind]."},
		{[]string{"graphdriver: driver not supported", "Failed to GetDriver graph"},
			"the docker daemon cannot use the storage driver that it was told to: take --storage-driver out of the service's command, or out of args in [runners.dind]."},
		{[]string{"cgroup mountpoint does not exist", "Devices cgroup isn't mounted"},
			"this docker-in-docker image is too old for the board's cgroup v2: use docker:20.10-dind or a later one."},
		{[]string{"cannot enter cgroupv2"},
			"the dind wrapper that prepares the cgroups was not run: leave entrypoint out of the dind service, and dockerd out of its command."},
		{[]string{"/proc/self/exe: operation not permitted", "rootlesskit:failed to start the child"},
			"the host forbids unprivileged user namespaces, which a rootless daemon needs: set the sysctls kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0 on the host, or use docker:dind."},
		{[]string{"the following directives are specified both as a flag and in the configuration file"},
			"an option of the docker daemon is both in /etc/docker/daemon.json and among its arguments: remove it from the file, from args of [runners.dind], or from the service's command."},
		{[]string{"unknown flag:", "unknown shorthand flag:"},
			"this version of the docker daemon does not know one of its arguments: correct args in [runners.dind], or the service's command."},
		{[]string{"tcp port: address already in use", "bind: address already in use"},
			"something in the sidecar's network already listens on the daemon's port: two daemons share a network, so leave network_mode = \"host\" out of [runners.docker]."},
		{[]string{"invalid TLS configuration", "could not load X509 key pair", "could not read CA certificate"},
			"the daemon did not find usable certificates under DOCKER_TLS_CERTDIR: leave the volume there out of volumes in [runners.docker], and the runner provides them."},
		{[]string{"pid file found, ensure docker is not running", "timeout waiting for lock", "boltdb: timeout", "metadata.db: timeout"},
			"another docker daemon uses the same /var/lib/docker: take that bind out of volumes in [runners.docker], so that each job has its own."},
		{[]string{"permission denied (are you root?)", "you must be root to run", "dockerd needs to be started with root", "operation not permitted", "Operation not permitted"},
			"the docker-in-docker container is not privileged: set [runners.dind] privileged = true in config.toml."},
		{[]string{"Failed to initialize nft", "can't initialize iptables table", "TABLE_ADD failed", "failed to create NAT chain", "Failed to Setup IP tables", "failed to register \"bridge\" driver"},
			"the host's kernel lacks netfilter modules that the docker daemon needs, or has the other kind: load them on the host (modprobe -a iptable_nat nft_chain_nat nft_compat xt_addrtype xt_conntrack xt_MASQUERADE br_netfilter), or set DOCKER_IPTABLES_LEGACY: \"1\" for the service."},
		{[]string{"modprobe: can't change directory to '/lib/modules'"},
			"the sidecar cannot load kernel modules, since /lib/modules of the host is not there: install it on the host, or load the modules there (modprobe -a overlay br_netfilter iptable_nat)."},
	}
}

// clientSymptoms are what the docker command in a job says.
func clientSymptoms() []symptom {
	return []symptom{
		{[]string{"lookup docker on ", "lookup docker: "},
			"no container called docker runs on the job's network: the dind service did not start or has ended (its log says why), or it needs alias: docker."},
		{[]string{"Cannot connect to the Docker daemon at tcp://"},
			"the docker daemon does not listen where DOCKER_HOST says: leave DOCKER_HOST and DOCKER_TLS_CERTDIR out of the job, and the runner sets them to match."},
		{[]string{"Cannot connect to the Docker daemon at unix://"},
			"DOCKER_HOST is not set and no docker socket is mounted: add the service docker:dind, or LCED_DIND: \"true\", to the job."},
		{[]string{"server gave HTTP response to HTTPS client"},
			"TLS was spoken to a port without it: for the docker daemon leave DOCKER_TLS_VERIFY out of the job or use port 2376; for a registry without TLS add --insecure-registry=HOST:PORT to args of [runners.dind]."},
		{[]string{"Client sent an HTTP request to an HTTPS server"},
			"the client spoke without TLS to a port that wants it: leave DOCKER_HOST and DOCKER_TLS_VERIFY out of the job, and the runner sets them to match."},
		{[]string{"unable to resolve docker endpoint: open "},
			"DOCKER_TLS_VERIFY or DOCKER_CERT_PATH is set, but the client certificates are not there: leave both out of the job, and the runner sets them."},
		{[]string{"x509: certificate is valid for"},
			"the daemon's certificate does not have the name that DOCKER_HOST uses: use the host name docker, or make the name an alias of the service."},
		{[]string{"x509: certificate has expired or is not yet valid"},
			"the board's clock is wrong, or a certificate is old: synchronise the clock (NTP)."},
		{[]string{"x509: certificate signed by unknown authority", "tls: bad certificate", "tls: unknown certificate authority", "remote error: tls"},
			"the client's certificates belong to another daemon or the registry's authority is unknown: leave certificate volumes out of [runners.docker], and put a registry's authority at /etc/docker/certs.d/HOST:PORT/ca.crt on the host."},
		{[]string{"Minimum supported API version is"},
			"the docker client is too old for the daemon: use a newer client, or set DOCKER_MIN_API_VERSION: \"1.24\" for the dind service."},
		{[]string{"TLS handshake timeout"},
			"large packets are lost on the way, since the inner network's MTU is above the outer's: set network_mtu in [runners.docker], or --mtu=N in args of [runners.dind], to the uplink's MTU."},
		{[]string{"toomanyrequests"},
			"Docker Hub's limit on pulls is reached: set a registry mirror (--registry-mirror=URL in args of [runners.dind]), or log in."},
	}
}
