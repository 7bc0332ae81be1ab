package dind

// The values of [Job.Mode], the key mode of [runners.dind].
const (
	ModeAuto   = "auto"   // a sidecar for the jobs that need one (default, also when empty)
	ModeAlways = "always" // a sidecar for every job
	ModeOff    = "off"    // dind services are ordinary services
)

// The values of [Setup.Kind]: how B reaches its docker daemon.
const (
	KindNone         = ""              // not this package's business
	KindTLS          = "tls"           // sidecar, TCP port 2376, TLS both ways
	KindPlain        = "plain"         // sidecar, TCP port 2375, no TLS
	KindSocket       = "socket"        // the host's engine through its mounted socket, no sidecar
	KindSharedSocket = "shared-socket" // sidecar, unix socket on a volume that B and S share
)

// Job is what the decision depends on.
type Job struct {
	Mode       string   // ModeAuto, ModeAlways or ModeOff; empty is ModeAuto
	Privileged bool     // a sidecar may be privileged: docker.privileged, services_privileged or dind.privileged, allow-lists applied
	Runtime    string   // [runners.docker] runtime; sysbox-runc runs a daemon without privilege
	Image      string   // [runners.dind] image for a sidecar that the job does not name; empty: chosen by Decide
	Args       []string // [runners.dind] args for dockerd
	Storage    string   // StorageEphemeral or StorageProject: the most that a job may ask for; empty is StorageEphemeral

	BuildImage string    // the image of B, expanded
	Services   []Service // the configuration's services, then the job's, in that order

	// Variables looks up one of the job's own variables, expanded; set is false where the job does not have it. An
	// empty DOCKER_HOST, DOCKER_TLS_VERIFY or DOCKER_CERT_PATH counts as absent, as it does for docker itself.
	Variables func(name string) (value string, set bool)

	Volumes     []Mount // every volume that B and S share: the configured ones, and the builds volume
	NetworkMode string  // [runners.docker] network_mode
	Host        Host
}

// Service is one service of the job, as the configuration or .gitlab-ci.yml names it.
type Service struct {
	Name       string            // image reference
	Aliases    []string          // all of them: derived from the name first, then the given ones
	Command    []string          // replaces the image's command where not empty
	Entrypoint []string          // replaces the image's entrypoint where not empty; [""] clears it
	Variables  map[string]string // of this service alone, expanded; they beat the job's
	Ordinary   bool              // no docker daemon, whatever its name says
}

// Mount is a volume or bind. Source is a host path or the name of a volume; it is empty for a single-path volume, whose
// source the runner chooses.
type Mount struct {
	Source      string
	Destination string
	ReadOnly    bool
}

// Host is what was learnt of the machine and its engine; zero values mean unknown or absent.
type Host struct {
	MTU                int      // of the default route's interface, bytes
	DNS                []string // resolvers that a container on the default bridge gets
	DNSSearch          []string // search domains, likewise
	Mirrors            []string // the engine's registry mirrors, URLs
	InsecureRegistries []string // the engine's insecure registries, host:port or CIDR
	CertsD             bool     // /etc/docker/certs.d exists
	LibModules         bool     // /lib/modules exists

	// The proxies by which the engine pulls, as it tells them: without their logins.
	HTTPProxy, HTTPSProxy, NoProxy string
}

// Setup is what to do. Its zero value means: nothing, every service is an ordinary one.
type Setup struct {
	Kind     string   // one of the Kind constants
	Note     string   // the job log's line that names the mode and why; empty where there is nothing to tell
	Warnings []string // one sentence each, for the job log

	// BuildEnv is for B and is applied after the job's variables. It holds DOCKER_HOST, DOCKER_TLS_VERIFY,
	// DOCKER_CERT_PATH and DOCKER_TLS_CERTDIR where the job does not set them, and NO_PROXY with the sidecar's name
	// appended where the job sets a proxy: docker's client would ask the proxy for a tcp host.
	BuildEnv map[string]string

	Sidecars     []Sidecar
	Builders     []Builder
	SkipServices []int // indices of dind services that are not started; Note or Warnings say why

	// DropVolumes are the destinations of single-path volumes that B and S do not get: those at DOCKER_TLS_CERTDIR or
	// below. They would hide this job's certificates behind another job's.
	DropVolumes []string

	Certs       *Certs // nil: the runner provides no certificates
	StaleSocket string // shared-socket: path of a socket that an earlier job may have left, to be removed before S starts
	ExtraHosts  bool   // B shares the host's network: it needs every alias of the sidecars as an extra host
}

// Sidecar is one docker-in-docker container, on the job's network.
type Sidecar struct {
	Service    int // index into Job.Services, -1 where the job names none
	Image      string
	Aliases    []string // on the job's network
	Entrypoint []string // empty: the image's
	Command    []string // complete: the job's, then the added arguments
	// Unset names variables that S must not have, not even from its image (a bare NAME in the engine's environment
	// list does that): dockerd would read them. It is applied after the job's and the service's variables, Env after it.
	Unset      []string
	Env        map[string]string
	Privileged bool
	Binds      []Mount           // of the host, in addition to the volumes
	Tmpfs      map[string]string // by path: mount options
	Storage    Storage           // zero: it starts without images, and its images end with it
}

// Certs says where the files of [CertificateFiles] go. Two volumes: the server's at Dir in S, the client's at ClientDir in
// S and, read-only, at BuildDir in B.
type Certs struct {
	Dir       string   // DOCKER_TLS_CERTDIR in S
	ClientDir string   // Dir + "/client"
	BuildDir  string   // DOCKER_CERT_PATH in B
	Names     []string // what the server's certificate is for: host names and IP addresses
}
