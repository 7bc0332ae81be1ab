package dind

import (
	"strings"
	"testing"
)

// TestDiagnose has messages as dockerd and its entrypoint print them, and a part of their explanation.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	tests := []struct{ log, want string }{
		{`failed to load listeners: can't create unix socket /var/run/docker.sock: device or resource busy`, "host's docker socket is mounted"},
		{"cat: can't open '/proc/net/arp_tables_names': No such file or directory\nmodprobe: can't change directory to '/lib/modules': No such file or directory\nfailed to load listeners: can't create unix socket /var/run/docker.sock: device or resource busy", "host's docker socket is mounted"},
		{"mount: permission denied (are you root?)\nCould not mount /sys/kernel/security.\nAppArmor detection and --privileged mode might break.", "[runners.dind] privileged = true"},
		{"mount: /tmp: permission denied.\n       dmesg(1) may have more information after failed mount system call.", "[runners.dind] privileged = true"},
		{"modprobe: can't change directory to '/lib/modules': No such file or directory\nmount: permission denied (are you root?)", "[runners.dind] privileged = true"},
		{"iptables v1.8.10 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\nfailed to start daemon: Error initializing network controller: operation not permitted", "privileged = true"},
		{`failed to create NAT chain DOCKER: iptables failed: iptables -t nat -N DOCKER: iptables: Failed to initialize nft: Protocol not supported (exit status 1)`, "DOCKER_IPTABLES_LEGACY"},
		{"iptables v1.8.7 (legacy): can't initialize iptables table `nat': Table does not exist (do you need to insmod?)", "netfilter modules"},
		{`iptables v1.8.10 (nf_tables):  TABLE_ADD failed (Not supported): table nat`, "netfilter modules"},
		{`modprobe: can't change directory to '/lib/modules': No such file or directory`, "cannot load kernel modules"},
		{`level=error msg="'overlay' is not supported over overlayfs"`, "ext4 or xfs"},
		{`failed to start daemon: error initializing graphdriver: driver not supported: overlay2`, "ext4 or xfs"},
		{`failed to start daemon: error initializing graphdriver: driver not supported: nonsense`, "--storage-driver out of the service's command"},
		{`Error response from daemon: cgroups: cgroup mountpoint does not exist: unknown`, "cgroup v2"},
		{`failed to start daemon: Devices cgroup isn't mounted`, "cgroup v2"},
		{`cannot enter cgroupv2 "/sys/fs/cgroup/docker" with domain controllers -- it is in an invalid state`, "dind wrapper"},
		{`[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: operation not permitted`, "user namespaces"},
		{`error: attempting to run rootless dockerd but need 'user.max_user_namespaces' (/proc/sys/user/max_user_namespaces) set to a sufficiently large value`, "user namespaces"},
		{`[rootlesskit:parent] error: failed to setup UID/GID map: newuidmap 61 [0 1000 1 1 100000 65536] failed: newuidmap: write to uid_map failed: Operation not permitted`, "user namespaces"},
		{`[rootlesskit:parent] error: failed to setup network &{logWriter:0xc000192020 binary:slirp4netns mtu:1500}: setting up tap tap0: executing [[nsenter -t 61 -n -m -U --preserve-credentials ip tuntap add name tap0 mode tap]]: exit status 1`, "chmod 0666 /dev/net/tun"},
		{`[rootlesskit:child ] error: failed to share mount point: /: permission denied`, "privileged = true"},
		{`failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: unable to apply cgroup configuration: mkdir /sys/fs/cgroup/cpuset/docker: permission denied: unknown`, "cgroup v2"},
		{`error: attempting to run rootless dockerd but need writable HOME (/home/rootless) and XDG_RUNTIME_DIR (/run/user/1000) for user 1000`, "userns-remap"},
		{`exec /usr/local/bin/dockerd-entrypoint.sh: exec format error`, "processor architecture"},
		{`image's platform (linux/amd64) does not match the detected host platform (linux/arm64/v8)`, "processor architecture"},
		{`mkdir /var/lib/docker/tmp: no space left on device`, "disk is full"},
		{`accept unix /var/run/docker.sock: accept4: too many open files`, "nofile"},
		{`unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are specified both as a flag and in the configuration file: mtu: (from flag: 1500, from file: 1400)`, "daemon.json"},
		{"Status: unknown flag: --registry-miror\nSee 'dockerd --help'., Code: 125", "args in [runners.dind]"},
		{`buildkitd: flag provided but not defined: -nonsense`, "service's command"},
		{`failed to load listeners: listen tcp 0.0.0.0:2375: bind: address already in use`, "network_mode"},
		{`invalid TLS configuration: could not load X509 key pair (cert: "/certs/server/cert.pem", key: "/certs/server/key.pem"): open /certs/server/cert.pem: no such file or directory`, "DOCKER_TLS_CERTDIR"},
		{`failed to start daemon, ensure docker is not running or delete /var/run/docker.pid: pid file found, ensure docker is not running or delete /var/run/docker.pid`, "another docker daemon"},
		{"/certs/server/cert.pem: C = , CN = docker:dind server\nerror 9 at 0 depth lookup: certificate is not yet valid\nerror /certs/server/cert.pem: verification failed", "clock"},
		{`failed to start daemon: Error initializing network controller: Error creating default "bridge" network: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network`, "--bip="},
		{`failed to start daemon: Error initializing network controller: error creating default "bridge" network: all predefined address pools have been fully subnetted`, "--default-address-pool="},
		{`failed to start daemon: Error initializing network controller: Error creating default "bridge" network: failed to allocate gateway (): No available addresses on this pool`, "--bip="},
		{"fatal error: runtime: out of memory\nruntime stack:", "too little memory"},
		{`level=error msg="failed to mount overlay: invalid argument" storage-driver=overlay2`, "ext4 or xfs"},
	}
	for _, test := range tests {
		checkSentence(t, test.log, Diagnose([]byte(test.log), Exit{Code: 1}), test.want)
	}
}

// TestHint has what docker's command, in its different versions, and what other programs print in a job.
func TestHint(t *testing.T) {
	t.Parallel()
	tests := []struct{ log, want string }{
		{`ERROR: error during connect: Head "http://docker:2375/_ping": dial tcp: lookup docker on 192.168.2.1:53: no such host.`, "alias: docker"},
		{`error during connect: Get "http://docker:2375/v1.24/info": dial tcp: lookup docker on 127.0.0.11:53: server misbehaving`, "alias: docker"},
		{`error during connect: Get "http://engine:2375/v1.24/info": dial tcp: lookup engine on 127.0.0.11:53: no such host`, "does not exist on the job's network"},
		{`unable to resolve docker endpoint: Invalid bind address format: http://docker:2375`, "write tcp://docker:2376"},
		{`Cannot connect to the Docker daemon at tcp://docker:2375. Is the docker daemon running?`, "does not listen where DOCKER_HOST says"},
		{`failed to connect to the docker API at tcp://docker:2375: dial tcp 172.18.0.2:2375: connect: connection refused`, "does not listen where DOCKER_HOST says"},
		{`Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?`, "LCED_DIND"},
		{`permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/info": dial unix /var/run/docker.sock: connect: permission denied`, "group_add"},
		{`permission denied while trying to connect to the docker API at unix:///var/run/docker.sock`, "group_add"},
		{`error during connect: Get "https://docker:2375/_ping": http: server gave HTTP response to HTTPS client`, "leave DOCKER_HOST"},
		{`Error response from daemon: Get "https://192.168.2.9:5000/v2/": http: server gave HTTP response to HTTPS client`, "--insecure-registry"},
		{`ERROR: failed to solve: failed to do request: Head "https://r.lan/v2/a/manifests/1": http: server gave HTTP response to HTTPS client`, "--insecure-registry"},
		{`Error response from daemon: Client sent an HTTP request to an HTTPS server.`, "leave DOCKER_HOST"},
		{`unable to resolve docker endpoint: open /certs/client/ca.pem: no such file or directory`, "client certificates are not there"},
		{`error during connect: Get "https://engine:2376/v1.24/info": x509: certificate is valid for 1a2b3c4d5e6f, docker, localhost, not engine`, "alias of the service"},
		{`x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "docker:dind CA")`, "another daemon"},
		{`error during connect: Get "https://docker:2376/v1.24/info": remote error: tls: bad certificate`, "another daemon"},
		{`Error response from daemon: Get "https://harbor.lan/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, "/etc/docker/certs.d/HOST:PORT/ca.crt"},
		{`x509: certificate has expired or is not yet valid: current time 1970-01-01T00:00:30Z is before 2024-11-29T16:19:35Z`, "clock"},
		{`Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version`, "DOCKER_MIN_API_VERSION"},
		{`Error response from daemon: Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout`, "MTU"},
		{`Error response from daemon: toomanyrequests: You have reached your pull rate limit.`, "mirror"},
		{`Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network`, "docker network prune"},
		{`Error response from daemon: all predefined address pools have been fully subnetted`, "docker network prune"},
		{`error during connect: Post "https://docker:2376/v1.24/build": EOF`, "want of memory"},
		{`write /busybox: no space left on device`, "disk is full"},
		{`exec /bin/sh: exec format error`, "processor architecture"},
		{`docker: Error response from daemon: cgroups: cgroup mountpoint does not exist: unknown.`, "cgroup v2"},
		{"mount: permission denied (are you root?)\n\x1b[32;1m$ docker info\x1b[0;m\nmore", "[runners.dind] privileged = true"},
		// That there is no daemon has a cause, if the log of its service is there.
		{"mount: permission denied (are you root?)\n*********\nerror during connect: dial tcp: lookup docker on 127.0.0.11:53: no such host", "[runners.dind] privileged = true"},
		// The last one is the failure.
		{"permission denied while trying to connect to the Docker daemon socket\nretry\nwrite /x: no space left on device\nERROR", "disk is full"},

		// None of docker's business.
		{`curl: (6) Could not resolve host: docker`, ""},
		{`Get "https://example.com": x509: certificate signed by unknown authority`, ""},
		{`touch: /x: Operation not permitted`, ""},
		{`unexpected EOF`, ""},
		{`wget: server gave HTTP response to HTTPS client`, ""},
		{"\x1b[32;1m$ grep 'Cannot connect to the Docker daemon at tcp://' log\x1b[0;m", ""},
		{``, ""},
	}
	for _, test := range tests {
		got := Hint([]byte(test.log))
		if test.want != "" {
			checkSentence(t, test.log, got, test.want)
		} else if got != "" {
			t.Errorf("%s: a hint where none belongs: %s", test.log, got)
		}
	}
}

func TestDiagnoseExit(t *testing.T) {
	t.Parallel()
	checkSentence(t, "oom", Diagnose([]byte("mount: permission denied (are you root?)"), Exit{Code: 137, OOMKilled: true}), "service_memory")
	checkSentence(t, "137", Diagnose(nil, Exit{Code: 137}), "short of memory")
	checkSentence(t, "rootless", Diagnose([]byte("failed"), Exit{Code: 1, Rootless: true}), "engine with root")
	checkSentence(t, "127", Diagnose([]byte("dockerd-entrypoint.sh: not found"), Exit{Code: 127}), "exit code 127")
	if got := Diagnose([]byte(`level=info msg="Starting up"`), Exit{Code: 1}); got != "" {
		t.Errorf("a diagnosis of nothing: %q", got)
	}
}

// checkSentence wants one sentence on one line.
func checkSentence(t *testing.T, log, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) || strings.Contains(got, "\n") || !strings.HasSuffix(got, ".") {
		t.Errorf("%s:\n  got  %q\n  want %q in it", log, got, want)
	}
}

func TestMayPass(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]bool{
		"failed to start containerd: timeout waiting for containerd to start":               true,
		"failed to start daemon: error initializing graphdriver: driver not supported: zfs": false,
		"": false,
	} {
		if got := MayPass([]byte(log)); got != want {
			t.Errorf("%q: %v", log, got)
		}
	}
}
