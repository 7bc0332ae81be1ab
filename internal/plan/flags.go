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

// featureFlag is one flag that means something for jobs in docker (config contract 7).
type featureFlag struct {
	usual bool
	// fixed says why another value changes nothing here; empty: it has the effect that it has in gitlab-runner.
	fixed string
}

// knownFlags differ from gitlab-runner's in what is usual where this runner always works as the flag would have it, and in
// that lines have no timestamps unless asked for, since a GitLab before 17.2 shows them as text.
func knownFlags() map[string]featureFlag {
	on, off := featureFlag{usual: true}, featureFlag{}
	return map[string]featureFlag{
		"FF_CLEAN_UP_FAILED_CACHE_EXTRACT":         off,
		"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR":     off,
		"FF_ENABLE_BASH_EXIT_CODE_CHECK":           off,
		"FF_ENABLE_JOB_CLEANUP":                    off,
		"FF_ENABLE_JOB_INPUTS_INTERPOLATION":       on,
		"FF_HASH_CACHE_KEYS":                       off,
		"FF_LOG_IMAGES_CONFIGURED_FOR_JOB":         off,
		"FF_MASK_ALL_DEFAULT_TOKENS":               on,
		"FF_SCRIPT_SECTIONS":                       off,
		"FF_TIMESTAMPS":                            off,
		"FF_USE_DIRECT_DOWNLOAD":                   on,
		"FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL": off,
		"FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY":   on,
		"FF_USE_GITALY_CORRELATION_ID":             on,
		"FF_USE_GIT_BUNDLE_URIS":                   on,
		"FF_USE_GIT_PROACTIVE_AUTH":                off,
		"FF_USE_INIT_WITH_DOCKER_EXECUTOR":         off,
		"FF_USE_NATIVE_CONTAINER_STOP":             off,

		"FF_GIT_URLS_WITHOUT_TOKENS": {true, "no address of a repository ever holds a token; git asks the job's environment for it"},
		"FF_NETWORK_PER_BUILD":       {true, "a job has a network of its own unless network_mode in [runners.docker] names another"},
		"FF_POSIXLY_CORRECT_ESCAPES": {true, "scripts are always quoted so that every POSIX shell can read them"},
		"FF_RESOLVE_FULL_TLS_CHAIN":  {true, "CI_SERVER_TLS_CA_FILE always holds the whole chain"},
		"FF_USE_FASTZIP":             {true, "there is one archiver, and it is a fast one"},
		"FF_USE_GIT_NATIVE_CLONE":    {false, "it needs git 2.49 in the helper image; until then a clone is git init and git fetch"},
		"FF_USE_LEGACY_BASH_EVAL":    {false, "the commands of a script find nothing on their standard input either way"},
	}
}

// ResolveFlags gives each flag its value: [runners.feature_flags] beats the job's variable, that beats the configuration's
// environment, that the default. warnings are about values that are not booleans, which count as not set, and about those
// that change nothing.
func ResolveFlags(job *jobapi.Job, runner *config.Runner) (flags Flags, warnings []string) {
	known := knownFlags()
	flags = Flags{}
	for name, f := range known {
		flags[name] = f.usual
	}
	set := func(name, value string) {
		if _, ok := known[name]; !ok {
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
	for _, change := range flags.changed(known) {
		if why := known[change].fixed; why != "" {
			warnings = append(warnings, fmt.Sprintf("%s=%t changes nothing: %s", change, flags[change], why))
		}
	}
	return flags, warnings
}

// Changed are the flags that are not as usual, as the head of a job log lists them: NAME:true.
func (f Flags) Changed() []string {
	list := f.changed(knownFlags())
	for i, name := range list {
		list[i] = fmt.Sprintf("%s:%t", name, f[name])
	}
	return list
}

// changed are the names of those flags.
func (f Flags) changed(known map[string]featureFlag) []string {
	var list []string
	for name, value := range f {
		if value != known[name].usual {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
