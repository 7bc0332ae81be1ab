package helper

// Names of the stages, which are also GitLab's names of their log sections.
const (
	StagePrepare      = "prepare_script"
	StageGetSources   = "get_sources"
	StageRestoreCache = "restore_cache"
	// The same work for caches of successful and of failed jobs.
	StageArchiveCache     = "archive_cache"
	StageArchiveOnFailure = "archive_cache_on_failure"
	StageDownload         = "download_artifacts"
	// The same work for artifacts of successful and of failed jobs.
	StageUploadOnSuccess = "upload_artifacts_on_success"
	StageUploadOnFailure = "upload_artifacts_on_failure"
	StageCleanup         = "cleanup_file_variables"
)

// TitleGetSources is the title of the section of [StageGetSources].
const TitleGetSources = "Getting source from Git repository"

// ExitBadRequest is the exit code of a stage whose request could not be read or understood. Git and scripts do not
// use it, so the runner can tell its own mistake (a helper of another version) from a failure of the job.
const ExitBadRequest = 125

// Request asks for one stage. It holds secrets in clear and travels on the stdin of an exec only: never in
// arguments, in the environment of a container, or on a disk.
type Request struct {
	// Stage is one of the Stage constants.
	Stage string `json:"stage"`
	// BuildsDir is CI_BUILDS_DIR, the root of a volume. ProjectDir is CI_PROJECT_DIR, below it. TempDir is
	// RUNNER_TEMP_PROJECT_DIR, which is ProjectDir + ".tmp". All three are absolute.
	BuildsDir  string `json:"builds_dir"`
	ProjectDir string `json:"project_dir"`
	TempDir    string `json:"temp_dir"`
	// Umask of everything the stage creates. The docker executor's is 0, so that a job under any user can write to the
	// checkout.
	Umask int `json:"umask,omitempty"`
	// Env holds the job's variables as NAME=value for git and hooks. Variables that only make sense with the programs of the
	// job's image (PATH, LD_PRELOAD and the like) do not reach them.
	Env []string `json:"env,omitempty"`
	// Sections says whether the server understands section markers (features.trace_sections).
	Sections bool `json:"sections,omitempty"`
	// QuickRetries waits seconds instead of minutes between attempts (FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY is off).
	QuickRetries bool `json:"quick_retries,omitempty"`
	// FileVariables are written to TempDir before the stage does anything else.
	FileVariables []File `json:"file_variables,omitempty"`

	// The member that belongs to Stage is set.
	Prepare  *Prepare  `json:"prepare,omitempty"`
	Sources  *Sources  `json:"sources,omitempty"`
	Cache    *Cache    `json:"cache,omitempty"`
	Download *Download `json:"download,omitempty"`
	Upload   *Upload   `json:"upload,omitempty"`
	Cleanup  *Cleanup  `json:"cleanup,omitempty"`
}

// File is a file variable: its exact bytes appear in TempDir under its name, readable by every user.
type File struct {
	Name    string `json:"name"`
	Content []byte `json:"content"`
}

// Prepare belongs to [StagePrepare].
type Prepare struct {
	// RunnerHost is the name of the machine the runner works on, for the line "Running on … via …".
	RunnerHost string `json:"runner_host"`
	// ChmodDirs are mount points of volumes that any user of the job must be able to write: they become 0777.
	ChmodDirs []string `json:"chmod_dirs,omitempty"`
}

// Strategy is GIT_STRATEGY.
type Strategy string

// The values of GIT_STRATEGY.
const (
	StrategyClone Strategy = "clone"
	StrategyFetch Strategy = "fetch"
	StrategyNone  Strategy = "none"
	StrategyEmpty Strategy = "empty"
)

// SubmoduleStrategy is GIT_SUBMODULE_STRATEGY; the zero value means the same as none.
type SubmoduleStrategy string

// The values of GIT_SUBMODULE_STRATEGY.
const (
	SubmodulesNone      SubmoduleStrategy = "none"
	SubmodulesNormal    SubmoduleStrategy = "normal"
	SubmodulesRecursive SubmoduleStrategy = "recursive"
)

// Sources belongs to [StageGetSources].
type Sources struct {
	Strategy Strategy `json:"strategy"`
	// RepoURL is the repository's address without user and password, clone_url already applied.
	RepoURL string `json:"repo_url"`
	// BaseURL is clone_url, else the runner's url: Username and Token are for its host too, since submodules
	// may lie there.
	BaseURL string `json:"base_url,omitempty"`
	// Username is "gitlab-ci-token", Token the job's token.
	Username string `json:"username"`
	Token    string `json:"token"`
	// ObjectFormat is git_info.repo_object_format: "sha1" (also "") or "sha256".
	ObjectFormat string   `json:"object_format,omitempty"`
	SHA          string   `json:"sha"`
	Ref          string   `json:"ref"`
	Refspecs     []string `json:"refspecs"`
	// Depth is git_info.depth; 0 fetches the whole history, also into a checkout that was shallow.
	Depth int `json:"depth,omitempty"`
	// FetchFlags are the words of GIT_FETCH_EXTRA_FLAGS; nil for "none".
	FetchFlags []string `json:"fetch_flags,omitempty"`
	// CleanFlags are the words of GIT_CLEAN_FLAGS; nil for "none", which keeps untracked files.
	CleanFlags []string `json:"clean_flags,omitempty"`
	// Checkout is GIT_CHECKOUT.
	Checkout bool `json:"checkout"`

	SubmoduleStrategy SubmoduleStrategy `json:"submodule_strategy,omitempty"`
	// SubmodulePaths are the pathspecs of GIT_SUBMODULE_PATHS.
	SubmodulePaths []string `json:"submodule_paths,omitempty"`
	// SubmoduleDepth is GIT_SUBMODULE_DEPTH, whose default is Depth.
	SubmoduleDepth       int      `json:"submodule_depth,omitempty"`
	SubmoduleUpdateFlags []string `json:"submodule_update_flags,omitempty"`
	// SubmoduleForceHTTPS rewrites SSH addresses on ServerHost to RepoURL's scheme and host.
	SubmoduleForceHTTPS bool   `json:"submodule_force_https,omitempty"`
	ServerHost          string `json:"server_host,omitempty"`
	// ServerSSHHost and ServerSSHPort are CI_SERVER_SHELL_SSH_HOST (default ServerHost) and CI_SERVER_SHELL_SSH_PORT
	// ("" means 22).
	ServerSSHHost string `json:"server_ssh_host,omitempty"`
	ServerSSHPort string `json:"server_ssh_port,omitempty"`
	// SkipLFS is set when the user disabled the smudge filter (GIT_LFS_SKIP_SMUDGE).
	SkipLFS bool `json:"skip_lfs,omitempty"`

	// CACertPEM, ClientCertPEM and ClientKeyPEM are what the runner's own connection to GitLab uses; empty if unset.
	CACertPEM     []byte `json:"ca_cert_pem,omitempty"`
	ClientCertPEM []byte `json:"client_cert_pem,omitempty"`
	ClientKeyPEM  []byte `json:"client_key_pem,omitempty"`
	// UserAgent is what git calls itself over HTTP.
	UserAgent string `json:"user_agent,omitempty"`
	// BundleURIs lets git fetch bundles from where the server says that they are (FF_USE_GIT_BUNDLE_URIS).
	BundleURIs bool `json:"bundle_uris,omitempty"`
	// ProactiveAuth sends the token with the first request, where git can (2.46; FF_USE_GIT_PROACTIVE_AUTH).
	ProactiveAuth bool `json:"proactive_auth,omitempty"`
	// CorrelationID is shown in the log and sent to Gitaly with every request; "" for none.
	CorrelationID string `json:"correlation_id,omitempty"`

	// PreHooks and PostHooks are complete shell scripts in the order in which they run. They are given to bash, else
	// sh, on stdin, in the project directory for post hooks. A hook that fails, fails the attempt.
	PreHooks  []string `json:"pre_hooks,omitempty"`
	PostHooks []string `json:"post_hooks,omitempty"`

	// Attempts is GET_SOURCES_ATTEMPTS, 1 to 10.
	Attempts int `json:"attempts"`
	// SafeDirectory lets git work in directories that belong to another user (safe_directory_checkout).
	SafeDirectory bool `json:"safe_directory"`
	// CleanGitConfig removes what an earlier job left in the configuration and hooks of the checkout (clean_git_config).
	// Without it, that job can run commands in this stage.
	CleanGitConfig bool `json:"clean_git_config"`
}

// Cleanup belongs to [StageCleanup].
type Cleanup struct {
	// Worktree, if set, says what was checked out: it is put back to that state, or removed where the next job would not use it
	// (FF_ENABLE_JOB_CLEANUP).
	Worktree *Sources `json:"worktree,omitempty"`
	// FileVariables are the names of the files to remove from TempDir.
	FileVariables []string `json:"file_variables,omitempty"`
	// CleanGitConfig removes configuration and hooks from the checkout, before the next job sees them.
	CleanGitConfig bool `json:"clean_git_config"`
}
