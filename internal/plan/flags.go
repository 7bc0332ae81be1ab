package plan

import (
	"fmt"
	"slices"
	"strconv"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Flags are gitlab-runner's feature flags as a job has them. Scripts see them all as variables.
type Flags map[string]bool

// defaultFlags are those that mean something for jobs in docker (config contract 7). Three differ from gitlab-runner's: a
// job always has a network of its own, scripts are always quoted the POSIX way, and lines have no timestamps unless asked
// for, since a GitLab before 17.2 shows them as text.
func defaultFlags() Flags {
	return Flags{
		"FF_NETWORK_PER_BUILD":                   true,
		"FF_POSIXLY_CORRECT_ESCAPES":             true,
		"FF_TIMESTAMPS":                          false,
		"FF_CLEAN_UP_FAILED_CACHE_EXTRACT":       false,
		"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR":   false,
		"FF_ENABLE_BASH_EXIT_CODE_CHECK":         false,
		"FF_ENABLE_JOB_CLEANUP":                  false,
		"FF_GIT_URLS_WITHOUT_TOKENS":             false,
		"FF_HASH_CACHE_KEYS":                     false,
		"FF_MASK_ALL_DEFAULT_TOKENS":             true,
		"FF_SCRIPT_SECTIONS":                     false,
		"FF_USE_DIRECT_DOWNLOAD":                 true,
		"FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY": true,
		"FF_USE_FASTZIP":                         true,
		"FF_USE_GIT_BUNDLE_URIS":                 true,
		"FF_USE_GIT_NATIVE_CLONE":                false,
		"FF_USE_GIT_PROACTIVE_AUTH":              false,
		"FF_USE_GITALY_CORRELATION_ID":           true,
		"FF_USE_INIT_WITH_DOCKER_EXECUTOR":       false,
		"FF_USE_LEGACY_BASH_EVAL":                false,
		"FF_USE_NATIVE_CONTAINER_STOP":           false,
	}
}

// ResolveFlags gives each flag its value: [runners.feature_flags] beats the job's variable, that beats the configuration's
// environment, that the default. warnings are about values that are not booleans, which count as not set.
func ResolveFlags(job *jobapi.Job, runner *config.Runner) (flags Flags, warnings []string) {
	flags = defaultFlags()
	set := func(name, value string) {
		if _, known := flags[name]; !known {
			return
		}
		b, err := strconv.ParseBool(value)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s is %q, which is not true or false: ignored", name, value))
			return
		}
		flags[name] = b
	}
	for _, v := range runner.Environment {
		set(v.Name, v.Value)
	}
	for _, v := range job.Variables {
		set(v.Key, v.Value)
	}
	for name, value := range runner.FeatureFlags {
		flags[name] = value
	}
	return flags, warnings
}

// Changed are the flags that are not as usual, as the head of a job log lists them: NAME:true.
func (f Flags) Changed() []string {
	usual := defaultFlags()
	var list []string
	for name, value := range f {
		if value != usual[name] {
			list = append(list, fmt.Sprintf("%s:%t", name, value))
		}
	}
	slices.Sort(list)
	return list
}
