package executor

import (
	"io"
	"time"
)

// LabelOwner is the label that says a container, network or volume is ours to remove; its value is the runner's
// system id. gitlab-runner's own labels alone never suffice: a gitlab-runner on the same board sets the same ones.
const LabelOwner = "lced.runner"

// Plan is one job in the engine's words: plain data, made by package plan, obeyed by [Engine].
type Plan struct {
	Name     string            // prefix of the names of containers and temporary volumes
	Labels   map[string]string // on every container, network and volume of the job; holds LabelOwner
	Notes    []string          // lines of the job log's first section
	Network  *Network          // the job's own network; nil when no container lives on it
	Volumes  []Volume          // created before any container
	Services []Service         // in the order in which the log names them
	OwnImage string            // image id of the runner's own image: helper, prober, and what fills volumes
	Probe    []string          // command in OwnImage that waits for TCP ports, see services.go
	Helper   *Helper           // nil when no task needs it
	Build    Build
	Before   []Task // helper stages before the user's steps, in order
	Steps    []Step // user steps; the first failure ends them
	After    *Step  // after_script; nil when the job has none
	Finally  []Task // helper stages after the steps, whatever their outcome (see Task.When)

	StepAttempts int           // how often a step is tried of which nothing ran (EXECUTOR_JOB_SECTION_ATTEMPTS); 0 = once
	StepTimeout  time.Duration // all steps together (RUNNER_SCRIPT_TIMEOUT); 0 = the job's own limit only
	AfterTimeout time.Duration // after_script (RUNNER_AFTER_SCRIPT_TIMEOUT)
	AfterMatters bool          // a failing after_script fails the job (AFTER_SCRIPT_IGNORE_ERRORS=false)

	PrepareTimeout time.Duration // containers and services, until all is up but the sources; 0 = the job's own limit only
	KeepAnonymous  bool          // the volumes that images make by themselves stay when their containers are removed

	// Owned are directories that the user whom the build container's image names gets before the first step, where that is not
	// root: the helper's files are its own then (FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR).
	Owned []string
}

// Network is the job's own bridge network.
type Network struct {
	Name string
	MTU  int // bytes; 0 = the engine's default
	IPv6 bool
	// Form is the same for networks of which a job can have another's, see [Job.KeepNetwork]; empty = it is for this job only.
	// With one its labels are all here, none of them this job's.
	Form   string            `json:",omitempty"`
	Labels map[string]string `json:",omitempty"`
}

// Volume is a named volume of the job.
type Volume struct {
	Name      string
	Labels    map[string]string // in addition to the plan's
	Temporary bool              // removed with the job
	Driver    string            // empty = the engine's own
	DriverOps map[string]string
	Target    string // absolute path at which the filling container mounts it
	Open      bool   // its root gets mode 0777, so that any user of a job image can write there
	Files     []File // put into it before the first container that mounts it starts
}

// File is one file for a volume.
type File struct {
	Path string // relative to the volume's root
	Mode int64  // permission bits
	Data []byte
}

// Image names an image and how to get it.
type Image struct {
	Ref      string
	Policies []string // always, if-not-present, never; tried in order
	Platform string   // os/arch[/variant]; empty = the engine's own
	Auth     string   // value of X-Registry-Auth; empty = anonymous
	AuthFrom string   // where Auth came from, for the log
}

// Container is what a container is created from.
type Container struct {
	Name       string
	Image      Image
	Entrypoint []string // nil = the image's
	Cmd        []string // nil = the image's
	Env        []string // KEY=VALUE
	User       string
	Hostname   string
	Privileged bool
	Binds      []string // source:target[:options], as the engine takes them
	Labels     map[string]string
	Networks   []Attachment // the first is joined at creation, others before the start
	Mode       string       // network mode when Networks is empty: host, none, bridge, container:x
	Options    Options
	ReadOnly   bool // its root file system; volumes and tmpfs are not

	StartChecks time.Duration // how long the engine, if it can, runs the image's health check every second; 0 = as the image says
	Unchecked   bool          // the image's health check, which is that of a runner, is not run
}

// Attachment joins a container to a network.
type Attachment struct {
	Network string
	Aliases []string
}

// Options are the engine's options that the configuration passes through, named as in [runners.docker].
type Options struct {
	DNS, DNSSearch, ExtraHosts   []string
	Links                        []string // container[:alias]: running containers that get an entry in the hosts file
	CapAdd, CapDrop, SecurityOpt []string
	GroupAdd, VolumesFrom        []string
	Memory, MemorySwap           int64 // bytes; 0 = no limit
	MemoryReservation, ShmSize   int64 // bytes
	NanoCPUs, CPUShares          int64
	CpusetCPUs, CpusetMems       string
	CgroupParent                 string
	Runtime, UsernsMode          string
	PidMode, IpcMode             string
	VolumeDriver                 string
	MACAddress                   string // on the network that is joined at creation; engines before 25 (API 1.44) cannot
	OomKillDisable               bool
	OomScoreAdj                  int
	GPUs                         *GPUs // nil = none
	Devices                      []Device
	DeviceCgroupRules            []string
	Tmpfs, Sysctls               map[string]string
	Ulimits                      []Ulimit
	Init                         bool
}

// GPUs is a request for GPUs: a number (-1 = all) or devices by number or UUID.
type GPUs struct {
	Driver       string // empty = the engine's choice
	Count        int
	DeviceIDs    []string
	Capabilities []string // in addition to gpu
	Options      map[string]string
}

// Device is a host device for a container.
type Device struct{ Host, Container, Permissions string }

// Ulimit is one resource limit.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Service is a container beside the build container.
type Service struct {
	Container
	Title   string // as the log names it: the image as the job wrote it
	Aliases []string
	Ready   Ready
	Prepare []string // command that is run in OwnImage with the service's volumes before it starts
	Finish  []string // command that is run in the service when the user's steps are over; what becomes of it does not matter
	Form    string   // what it is made of, for a service that may have been started before the job, see [Engine.StartSpare]; empty = it may not
	Store   *Store   // what an earlier job's service left for this one; nil = nothing
	// HostAliases get entries in the hosts file of a build container that cannot be sure to find the service by name on the
	// job's network: it shares the host's, or is on another network as well.
	HostAliases []string
}

// Store is a volume that outlives the job. One service at a time has it, which the caller sees to; a service that does not
// become ready on it gets an empty one instead, and the job goes on. It needs Ready.Must.
type Store struct {
	Name    string            // of the volume, but for the version at its end
	Labels  map[string]string // in addition to the plan's
	Target  string            // absolute path in the service
	Version string            // variable of the image whose first number is the version; an image without it has a store of its own
}

// Ready says how to find out that a service can be used. Nothing set: as soon as it runs.
type Ready struct {
	Command []string      // run once inside the service; exit 0 = ready (a loop of its own)
	LogLine string        // or: a line of its log contains this
	Ports   bool          // or: the health check of its image, or else one of the TCP ports that the image exposes, says so
	Timeout time.Duration // 0 = no wait
	Must    bool          // not ready in time fails the job; otherwise it is a warning
}

// Helper is the container in which git, archives and caches run.
type Helper struct {
	Container
	Command []string // of the exec that runs one Task
	// Refusal is the exit code with which it refuses a request that it does not understand: not the job's fault.
	Refusal int
	// Own is a command that gives files to a user; the user's ids, uid:gid, and Plan.Owned follow.
	Own []string
	// Form is the same for the helpers of jobs that can have one another's, see [Job.KeepHelper]; empty = it is for this job only.
	// With one its labels are all in Container, none of them this job's.
	Form string
}

// Build is the container of the user's scripts.
type Build struct {
	Container
	// EarlyEntrypoints are entrypoints known to do no more than exec their arguments. A container whose image has one of
	// these, or none, is started at once with its shell waiting for the script; others may wait for a database or read the
	// checkout, so they start when sources and services are ready.
	EarlyEntrypoints []string
	// NativeStop interrupts a script as `docker stop` does: SIGTERM for the first process only (FF_USE_NATIVE_CONTAINER_STOP, and
	// containers that see processes of others).
	NativeStop bool
}

// When says for which outcome a final task runs.
type When int

const (
	Always When = iota
	OnSuccess
	OnFailure
)

// Task is one stage in the helper: one exec, its request one line of JSON.
type Task struct {
	Section, Title string // of the log; empty = the task is silent
	Request        []byte
	When           When
	Timeout        time.Duration // 0 = the job's own limit only
	Optional       bool          // a failure is the operator's business, not the job's
	Prepares       bool          // a failure ends the job at once, with no final task
	Cleans         bool          // a final task that also runs, in a time of its own, when the job was ended at once or failed to start
}

// Step is one stage in the build container: one start of it, the script on its shell's stdin.
type Step struct {
	Section, Title string
	Script         string // POSIX shell, wrapped by this package
	StatusVariable string // exported with the job's status so far: success, failed, canceled, timedout
}

// Section takes the output of one stage, byte for byte, and the executor's own lines.
type Section interface {
	Stream(fd int) io.Writer // one for each of stdout (1) and stderr (2)
	Plain(format string, args ...any)
	Close() error
}

// warn writes a line that warns the user, in gitlab-runner's colour.
func warn(s Section, format string, args ...any) {
	s.Plain("\x1b[0;33mWARNING: "+format+"\x1b[0;m", args...)
}

// Log opens a section of the job's log. Sections appear in the order in which they were opened.
type Log func(name, title string) Section
