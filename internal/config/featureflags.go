package config

// FeatureFlag is one FF_* flag of gitlab-runner that means something here.
type FeatureFlag struct {
	Usual bool
	Doc   string // what it does when it is true
	// Fixed says why another value changes nothing here; empty: it has the effect that it has in gitlab-runner.
	Fixed string
	// OfRunner is a flag that the configuration alone can set: it is about the runner, not about a job.
	OfRunner bool
}

// FeatureFlags differ from gitlab-runner's in what is usual where this runner always works as the flag would have it, and
// in that lines have no timestamps unless asked for, since a GitLab before 17.2 shows them as text.
func FeatureFlags() map[string]FeatureFlag {
	return map[string]FeatureFlag{
		"FF_CLEAN_UP_FAILED_CACHE_EXTRACT":         {Doc: "what a cache left that could not be unpacked whole is removed"},
		"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR":     {Doc: "the checkout belongs to the user of the job's image, in place of being writable for everybody"},
		"FF_ENABLE_BASH_EXIT_CODE_CHECK":           {Doc: "the exit code is looked at after every command"},
		"FF_ENABLE_JOB_CLEANUP":                    {Doc: "the checkout is cleaned or removed when the job ends"},
		"FF_ENABLE_JOB_INPUTS_INTERPOLATION":       {Usual: true, Doc: "inputs of a job are put into its scripts"},
		"FF_HASH_CACHE_KEYS":                       {Doc: "caches lie under the SHA-256 of their key"},
		"FF_LOG_IMAGES_CONFIGURED_FOR_JOB":         {Doc: "the runner's log names the images of each job"},
		"FF_MASK_ALL_DEFAULT_TOKENS":               {Usual: true, Doc: "tokens with a well-known prefix are masked in job logs"},
		"FF_SCRIPT_SECTIONS":                       {Doc: "a command of several lines has a section of the log of its own"},
		"FF_TIMESTAMPS":                            {Doc: "each line of a job log has its time"},
		"FF_USE_DIRECT_DOWNLOAD":                   {Usual: true, Doc: "artifacts come from the object storage that GitLab names"},
		"FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL": {Doc: "a log without news is sent as seldom as GitLab says"},
		"FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY":   {Usual: true, Doc: "attempts at a stage wait from 5 seconds to 5 minutes in between, else from 1 to 5 seconds"},
		"FF_USE_GITALY_CORRELATION_ID":             {Usual: true, Doc: "git sends an id by which its requests are found in GitLab's logs"},
		"FF_USE_GIT_BUNDLE_URIS":                   {Usual: true, Doc: "git may fetch bundles that GitLab names"},
		"FF_USE_GIT_PROACTIVE_AUTH":                {Doc: "git sends its login with the first request"},
		"FF_USE_INIT_WITH_DOCKER_EXECUTOR":         {Doc: "build container and services have an init process"},
		"FF_USE_NATIVE_CONTAINER_STOP":             {Doc: "a script that is ended is stopped by the engine, not by a signal to each of its processes"},
		"FF_DISABLE_AUTOMATIC_TOKEN_ROTATION":      {OfRunner: true, Doc: "a token that ends soon is told of, and not renewed"},

		"FF_GIT_URLS_WITHOUT_TOKENS": {Usual: true, Fixed: "no address of a repository ever holds a token; git asks the job's environment for it"},
		"FF_NETWORK_PER_BUILD":       {Usual: true, Fixed: "a job has a network of its own unless network_mode in [runners.docker] names another"},
		"FF_POSIXLY_CORRECT_ESCAPES": {Usual: true, Fixed: "scripts are always quoted so that every POSIX shell can read them"},
		"FF_RESOLVE_FULL_TLS_CHAIN":  {Usual: true, Fixed: "CI_SERVER_TLS_CA_FILE always holds the whole chain"},
		"FF_USE_FASTZIP":             {Usual: true, Fixed: "there is one archiver, and it is a fast one"},
		"FF_USE_GIT_NATIVE_CLONE":    {Fixed: "it needs git 2.49 in the helper image; until then a clone is git init and git fetch"},
		"FF_USE_LEGACY_BASH_EVAL":    {Fixed: "the commands of a script find nothing on their standard input either way"},

		"FF_EXPORT_HIGH_CARDINALITY_METRICS":  {Usual: true, OfRunner: true, Fixed: "how long the stages of jobs take is always among the metrics"},
		"FF_USE_ADAPTIVE_REQUEST_CONCURRENCY": {Usual: true, OfRunner: true, Fixed: "GitLab is asked as often as free slots and request_concurrency allow"},
	}
}

// ignoredFlags are gitlab-runner's other flags, with the reason why they change nothing.
func ignoredFlags() map[string]string {
	flags := map[string]string{
		"FF_SECRET_RESOLVING_FAILS_IF_MISSING": "jobs with secrets are refused",
		"FF_USE_PARALLEL_ARTIFACT_TRANSFER":    "an artifact goes over one connection",
		"FF_USE_PARALLEL_CACHE_TRANSFER":       "a cache goes over one connection",
	}
	for _, name := range []string{
		"FF_CONCRETE",
		"FF_DISABLE_POWERSHELL_STDIN",
		"FF_DISABLE_UMASK_FOR_KUBERNETES_EXECUTOR",
		"FF_KUBERNETES_HONOR_ENTRYPOINT",
		"FF_PRINT_POD_EVENTS",
		"FF_SCRIPT_TO_STEP_MIGRATION",
		"FF_SUSPENDABLE_ENVIRONMENTS",
		"FF_TEST_FEATURE",
		"FF_USE_ADVANCED_POD_SPEC_CONFIGURATION",
		"FF_USE_DOCKER_AUTOSCALER_DIAL_STDIO",
		"FF_USE_DUMB_INIT_WITH_KUBERNETES_EXECUTOR",
		"FF_USE_FLEETING_ACQUIRE_HEARTBEATS",
		"FF_USE_JOB_ROUTER",
		"FF_USE_LEGACY_GCS_CACHE_ADAPTER",
		"FF_USE_LEGACY_KUBERNETES_EXECUTION_STRATEGY",
		"FF_USE_LEGACY_S3_CACHE_ADAPTER",
		"FF_USE_POD_ACTIVE_DEADLINE_SECONDS",
		"FF_USE_POWERSHELL_PATH_RESOLVER",
		"FF_USE_WINDOWS_JOB_OBJECT",
		"FF_USE_WINDOWS_LEGACY_PROCESS_STRATEGY",
		"FF_WAIT_FOR_POD_TO_BE_REACHABLE",
	} {
		flags[name] = "it has nothing to do with jobs in docker on Linux"
	}
	return flags
}
