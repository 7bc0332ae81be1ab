package config

import (
	"time"

	"lced-runner/jobapi"
)

// Runner is one [[runners]] table. A runner that cannot work, but need not stop the others, has a reason in Disabled.
type Runner struct {
	Name            string        `key:"name" doc:"name in logs and in GitLab; empty means the host's name"`
	URL             string        `key:"url" env:"CI_SERVER_URL" doc:"GitLab's base URL, which may have a path; $VAR and ${VAR} are expanded"`
	Token           jobapi.Secret `key:"token" env:"CI_SERVER_TOKEN" doc:"the runner's authentication token; $VAR and ${VAR} are expanded"`
	ID              int64         `key:"id" flag:"-" doc:"the runner's number in GitLab"`
	TokenObtainedAt time.Time     `key:"token_obtained_at" flag:"-" doc:"when the token was made"`
	TokenExpiresAt  time.Time     `key:"token_expires_at" flag:"-" doc:"when the token ends; the year 1 means never"`
	TLSCAFile       string        `key:"tls-ca-file" env:"CI_SERVER_TLS_CA_FILE" doc:"certificates of the authorities that GitLab's certificate may come from, in addition to the system's"`
	TLSCertFile     string        `key:"tls-cert-file" env:"CI_SERVER_TLS_CERT_FILE" doc:"client certificate for GitLab"`
	TLSKeyFile      string        `key:"tls-key-file" env:"CI_SERVER_TLS_KEY_FILE" doc:"key of the client certificate"`
	Executor        string        `key:"executor" doc:"must be docker"`

	Limit                int           `key:"limit" min:"0" doc:"how many jobs of this runner may run at once; 0 means as many as concurrent"`
	OutputLimit          int64         `key:"output_limit" unit:"KiB" doc:"size of a job log in KiB; what comes after it is dropped"`
	RequestConcurrency   int           `key:"request_concurrency" min:"0" doc:"how many requests for a job may wait at GitLab at once"`
	StrictCheckInterval  bool          `key:"strict_check_interval" doc:"wait for check_interval even after a job was received"`
	UnhealthyLimit       int           `key:"unhealthy_requests_limit" doc:"after how many failed requests the runner pauses"`
	UnhealthyInterval    time.Duration `key:"unhealthy_interval" env:"-" doc:"how long that pause is"`
	FinalUpdateRetries   int           `key:"job_status_final_update_retry_limit" env:"RUNNER_job_status_final_update_retry_limit" doc:"how often the final state of a job is sent again while GitLab refuses it"`
	BuildsDir            string        `key:"builds_dir" check:"dir" doc:"directory in the containers that holds the checkouts"`
	CacheDir             string        `key:"cache_dir" check:"dir" doc:"directory in the containers that holds local cache archives"`
	CloneURL             string        `key:"clone_url" env:"CLONE_URL" check:"url" doc:"replaces scheme and host of the repository's URL"`
	Environment          []Variable    `key:"environment" flag:"env" env:"RUNNER_ENV" doc:"variables for every job; any variable of the job wins"`
	PreGetSourcesScript  string        `key:"pre_get_sources_script" doc:"run in the helper before git"`
	PostGetSourcesScript string        `key:"post_get_sources_script" doc:"run in the helper after git"`
	PreBuildScript       string        `key:"pre_build_script" doc:"run before the job's script, in the same shell"`
	PostBuildScript      string        `key:"post_build_script" doc:"run after the job's script, in the same shell"`
	Shell                string        `key:"shell" oneof:"bash|sh|pwsh|powershell|cmd" doc:"bash or sh: scripts run in bash where the image has it, else in sh; with another the runner takes no jobs"`
	PrepareTimeout       time.Duration `key:"prepare_timeout" doc:"how long containers and services may take to start; 0 or more than the job's timeout means that"`
	GetSourcesTimeout    time.Duration `key:"get_sources_timeout" doc:"how long git may take, with all its attempts; 0 or more than the job's timeout means that"`
	DebugTraceDisabled   bool          `key:"debug_trace_disabled" doc:"jobs may not switch CI_DEBUG_TRACE and CI_DEBUG_SERVICES on"`

	SafeDirectoryCheckout bool            `key:"safe_directory_checkout" doc:"tell git that the checkout is safe whoever owns it"`
	CleanGitConfig        *bool           `key:"clean_git_config" doc:"remove configuration and hooks from .git before and after a job; unset means true, but false with GIT_STRATEGY none"`
	CustomBuildDir        CustomBuildDir  `key:"custom_build_dir" doc:"GIT_CLONE_PATH"`
	FeatureFlags          map[string]bool `key:"feature_flags" env:"FEATURE_FLAGS" doc:"FF_* flags; they win over the job's variables"`
	Artifact              Artifact        `key:"artifact" doc:"time limits of artifact uploads"`
	Cache                 CacheStore      `key:"cache" doc:"distributed cache; without one, caches are kept on this machine"`
	Docker                Docker          `key:"docker" doc:"containers of the docker executor"`
	Dind                  Dind            `key:"dind" doc:"the docker-in-docker sidecar; a key that gitlab-runner does not have"`

	// RawURL and RawToken are as the file has them, before variables were expanded: what is written back must not hold
	// a secret of the environment.
	RawURL   string
	RawToken jobapi.Secret
	// Disabled says why this runner takes no jobs; empty means that it does.
	Disabled string

	_ ignored[map[string]string] `key:"labels" flag:"-" why:"metrics and logs have fixed labels" doc:"labels of metrics and logs"`
	_ ignored[bool]              `key:"proxy_exec" why:"secrets are masked without a proxy" doc:"masking proxy"`
	_ ignored[string]            `key:"step_runner_image" env:"STEP_RUNNER_IMAGE" why:"native steps are not supported" doc:"image of the step runner"`
	_ ignored[struct{}]          `key:"referees" why:"they watch docker-machine hosts" doc:"metrics of the host"`
	_ ignored[struct{}]          `key:"monitoring" why:"metrics have fixed thresholds" doc:"thresholds of metrics"`
	_ ignored[bool]              `key:"use_slot_cgroups" why:"it has no effect on the docker executor" doc:"cgroup of each slot"`
	_ ignored[string]            `key:"slot_cgroup_template" why:"it has no effect on the docker executor" doc:"cgroup of each slot"`
	_ ignored[struct{}]          `key:"experimental" why:"gitlab-runner's experiments are not part of lced-runner" doc:"gitlab-runner's experiments"`
	_ otherExecutor              `key:"ssh" doc:"ssh executor"`
	_ otherExecutor              `key:"parallels" doc:"parallels executor"`
	_ otherExecutor              `key:"virtualbox" doc:"virtualbox executor"`
	_ otherExecutor              `key:"machine" doc:"docker+machine executor"`
	_ otherExecutor              `key:"kubernetes" doc:"kubernetes executor"`
	_ otherExecutor              `key:"custom" doc:"custom executor"`
	_ otherExecutor              `key:"autoscaler" doc:"docker-autoscaler and instance executors"`
	_ otherExecutor              `key:"instance" doc:"instance executor"`
}

// CustomBuildDir is [runners.custom_build_dir].
type CustomBuildDir struct {
	Enabled bool `key:"enabled" doc:"jobs may set GIT_CLONE_PATH to a directory inside builds_dir"`
}

// Artifact is [runners.artifact]. The limits hold for downloads too.
type Artifact struct {
	UploadTimeout         time.Duration `key:"upload_timeout" doc:"how long one upload may take; 0 means an hour"`
	ResponseHeaderTimeout time.Duration `key:"response_header_timeout" doc:"how long GitLab may take to answer when it has all of it; 0 means 10 minutes"`
}

// Dind is [runners.dind]: when a job gets a docker-in-docker sidecar, and what it is like.
type Dind struct {
	Mode        string        `key:"mode" oneof:"auto|always|off" doc:"auto: jobs that declare a dind service, set LCED_DIND, or use a docker client image without service and socket; always: every job; off: none"`
	Privileged  bool          `key:"privileged" doc:"sidecars, and services of moby/buildkit or podman, are privileged, and nothing else is; without this, privileged or services_privileged of [runners.docker] must allow it"`
	Image       string        `key:"image" doc:"image of a sidecar that the job did not name; empty means the job's own image if it holds the daemon, else docker:dind"`
	Args        []string      `key:"args" doc:"arguments of dockerd, in addition to the runner's own"`
	WaitTimeout time.Duration `key:"wait_timeout" doc:"how long a sidecar may take until its API answers"`

	Storage        string `key:"storage" oneof:"ephemeral|project" doc:"ephemeral: each sidecar starts without images; project: images and build cache stay for the next job of the same project and slot, apart for protected refs"`
	StorageSizeCap Bytes  `key:"storage_size_cap" doc:"what the storage of all projects of this runner may take together, such as 20g: above it, what was not used for the longest time is removed; 0 means no limit"`
	Warm           Warm   `key:"warm" also:"integer" doc:"how many sidecars are kept started and ready, or auto: as many as jobs may run at once"`
	WarmFreeMemory Bytes  `key:"warm_free_memory" doc:"no sidecar is kept while the machine has less free memory than this"`
}
