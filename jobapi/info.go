package jobapi

import "runtime"

// Info is how a runner presents itself to the server, which shows it in its pages and, by the features, decides which
// jobs may run here.
type Info struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"` // semver: the server compares it with releases
	Revision     string            `json:"revision"`
	Platform     string            `json:"platform"`     // GOOS
	Architecture string            `json:"architecture"` // GOARCH: arm64, not aarch64
	Executor     string            `json:"executor"`
	Shell        string            `json:"shell"`
	Features     RunnerFeatures    `json:"features"`
	Config       InfoConfig        `json:"config"`
	Labels       map[string]string `json:"labels,omitempty"` // at most 32; the whole request must stay below 32 KiB
}

// InfoConfig is the part of the configuration that the server wants to see.
type InfoConfig struct {
	GPUs string `json:"gpus"`
}

// RunnerFeatures says what this runner can do. Every key is always sent: the server takes an absent one for false, and
// a first request without them makes it believe for up to 55 minutes that, say, cancel_gracefully is false. A job that
// needs a feature which is false fails as runner_unsupported instead of waiting for another runner.
type RunnerFeatures struct {
	Variables               bool `json:"variables"`
	Image                   bool `json:"image"`
	Services                bool `json:"services"`
	ServiceVariables        bool `json:"service_variables"`
	ServiceMultipleAliases  bool `json:"service_multiple_aliases"`
	ImageExecutorOpts       bool `json:"image_executor_opts"`
	ServiceExecutorOpts     bool `json:"service_executor_opts"`
	Artifacts               bool `json:"artifacts"`
	UploadMultipleArtifacts bool `json:"upload_multiple_artifacts"`
	UploadRawArtifacts      bool `json:"upload_raw_artifacts"`
	ArtifactsExclude        bool `json:"artifacts_exclude"`
	Cache                   bool `json:"cache"`
	FallbackCacheKeys       bool `json:"fallback_cache_keys"`
	Refspecs                bool `json:"refspecs"`
	Masking                 bool `json:"masking"`
	RawVariables            bool `json:"raw_variables"`
	MultiBuildSteps         bool `json:"multi_build_steps"`
	ReturnExitCode          bool `json:"return_exit_code"`
	JobInputs               bool `json:"job_inputs"`
	TraceReset              bool `json:"trace_reset"`
	TraceChecksum           bool `json:"trace_checksum"`
	TraceSize               bool `json:"trace_size"`
	Cancelable              bool `json:"cancelable"`
	CancelGracefully        bool `json:"cancel_gracefully"`
	TwoPhaseJobCommit       bool `json:"two_phase_job_commit"`
	VaultSecrets            bool `json:"vault_secrets"`
	Session                 bool `json:"session"`
	Terminal                bool `json:"terminal"`
	Proxy                   bool `json:"proxy"`
	Shared                  bool `json:"shared"`
	NativeStepsIntegration  bool `json:"native_steps_integration"`
}

// DefaultInfo describes this runner: the docker executor on the machine that it runs on, with the features that are
// true for it.
func DefaultInfo(version, revision string) Info {
	return Info{
		Name:         "lced-runner",
		Version:      version,
		Revision:     revision,
		Platform:     runtime.GOOS,
		Architecture: runtime.GOARCH,
		Executor:     "docker",
		Shell:        "bash",
		Features: RunnerFeatures{
			Variables:               true,
			Image:                   true,
			Services:                true,
			ServiceVariables:        true,
			ServiceMultipleAliases:  true,
			ImageExecutorOpts:       true,
			ServiceExecutorOpts:     true,
			Artifacts:               true,
			UploadMultipleArtifacts: true,
			UploadRawArtifacts:      true,
			ArtifactsExclude:        true,
			Cache:                   true,
			FallbackCacheKeys:       true,
			Refspecs:                true,
			Masking:                 true,
			RawVariables:            true,
			MultiBuildSteps:         true,
			ReturnExitCode:          true,
			JobInputs:               true,
			TraceReset:              true,
			TraceChecksum:           true,
			TraceSize:               true,
			Cancelable:              true,
			CancelGracefully:        true,
			TwoPhaseJobCommit:       true,
		},
	}
}
