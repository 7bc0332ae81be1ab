package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Flags are gitlab-runner's feature flags as a job has them. Scripts see them all as variables.
type Flags map[string]bool

// knownFlags are those that a job can have.
func knownFlags() map[string]config.FeatureFlag {
	flags := config.FeatureFlags()
	maps.DeleteFunc(flags, func(_ string, f config.FeatureFlag) bool { return f.OfRunner })
	return flags
}

// ResolveFlags gives each flag its value: [runners.feature_flags] beats the job's variable, that beats the configuration's
// environment, that the default. warnings are about values that are not booleans, which count as not set, and about those
// that change nothing.
func ResolveFlags(job *jobapi.Job, runner *config.Runner) (flags Flags, warnings []string) {
	known := knownFlags()
	flags = Flags{}
	for name, f := range known {
		flags[name] = f.Usual
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
		if why := known[change].Fixed; why != "" {
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
func (f Flags) changed(known map[string]config.FeatureFlag) []string {
	var list []string
	for name, value := range f {
		if value != known[name].Usual {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
