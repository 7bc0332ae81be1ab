package plan

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lced-runner/executor"
	"lced-runner/jobapi"
)

// variable is a job variable; internal ones are the runner's own, which services see too.
type variable struct {
	jobapi.Variable
	internal bool
}

// variables are those of one job, in GitLab's order of precedence: the last definition of a key wins.
type variables struct {
	list   []variable
	byKey  map[string]int // index of the winning definition
	tmpDir string         // where file variables lie
}

// newVariables collects, in the order of job-api contract 3.4, all but those that depend on the project's directory.
func newVariables(in Input, n names) *variables {
	v := &variables{byKey: map[string]int{}}
	if in.Job.Image.Name != "" {
		v.add(variable{Variable: jobapi.Variable{Key: "CI_JOB_IMAGE", Value: in.Job.Image.Name, Public: true}, internal: true})
	}
	v.internal("CI_RUNNER_SHORT_TOKEN", n.short)
	for _, e := range in.Runner.Environment {
		v.add(variable{Variable: jobapi.Variable{Key: e.Name, Value: e.Value, Public: true}, internal: true})
	}
	v.internal("CI_BUILDS_DIR", path.Clean(in.Runner.BuildsDir))
	v.internal("CI_CONCURRENT_ID", strconv.Itoa(in.Slot))
	v.internal("CI_CONCURRENT_PROJECT_ID", strconv.Itoa(in.ProjectSlot))
	v.internal("CI_SERVER", "yes")
	v.internal("CI_JOB_STATUS", "running")
	v.internal("CI_JOB_TIMEOUT", strconv.Itoa(int(Timeout(in.Job).Seconds())))
	v.file("CI_SERVER_TLS_CA_FILE", in.ServerCA)
	v.file("CI_SERVER_TLS_CERT_FILE", in.ClientCert)
	v.file("CI_SERVER_TLS_KEY_FILE", in.ClientKey)
	for _, jv := range in.Job.Variables {
		v.add(variable{Variable: jv})
	}
	flags, _ := ResolveFlags(in.Job, in.Runner)
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		v.internal(name, strconv.FormatBool(flags[name]))
	}
	v.internal("CI_DISPOSABLE_ENVIRONMENT", "true")
	v.internal("CI_RUNNER_VERSION", in.Version)
	v.internal("CI_RUNNER_REVISION", in.Revision)
	v.internal("CI_RUNNER_EXECUTABLE_ARCH", in.Facts.Platform)
	if in.Runner.Docker.NetworkMode == "" {
		v.internal("CI_BUILD_NETWORK_NAME", n.network)
	}
	return v
}

// addDirs adds what depends on the project's directory.
func (v *variables) addDirs(d dirs) {
	v.tmpDir = d.temp
	v.internal("CI_PROJECT_DIR", d.project)
	v.internal("RUNNER_TEMP_PROJECT_DIR", d.temp)
	v.internal("GITLAB_ENV", path.Join(d.temp, "gitlab_runner_env"))
}

func (v *variables) add(nv variable) {
	v.byKey[nv.Key] = len(v.list)
	v.list = append(v.list, nv)
}

func (v *variables) internal(key, value string) {
	v.add(variable{Variable: jobapi.Variable{Key: key, Value: value, Public: true, Raw: true}, internal: true})
}

func (v *variables) file(key string, content []byte) {
	if content != nil {
		v.add(variable{Variable: jobapi.Variable{Key: key, Value: string(content), Public: true, Raw: true, File: true}, internal: true})
	}
}

// override sets variables that beat all others.
func (v *variables) override(env map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(env)) {
		v.internal(key, env[key])
	}
}

// lookup is a variable's expanded value, or its content if it is a file; set tells whether it is defined.
func (v *variables) lookup(key string) (value string, set bool) {
	i, ok := v.byKey[key]
	if !ok {
		return "", false
	}
	return v.content(v.list[i]), true
}

// get is lookup for settings, where not set and empty mean the same.
func (v *variables) get(key string) string {
	value, _ := v.lookup(key)
	return value
}

// bool reads a boolean setting as Go's ParseBool does, the default on a bad value.
func (v *variables) bool(key string, def bool) bool {
	b, err := strconv.ParseBool(v.get(key))
	if err != nil {
		return def
	}
	return b
}

// content is the value with its references replaced, whatever kind of variable it is.
func (v *variables) content(one variable) string {
	if one.Raw {
		return one.Value
	}
	// One pass, of unexpanded values: GitLab has resolved chains before.
	return substitute(v, one.Value, func(other variable) string { return other.Value })
}

// value is what the environment holds: the path of a file variable, the content of any other.
func (v *variables) value(one variable) string {
	if one.File {
		return path.Join(v.tmpDir, one.Key)
	}
	return v.content(one)
}

// expand replaces $NAME and ${NAME} in what is not a variable itself, the name of an image for instance: a reference gets
// the value that scripts see.
func (v *variables) expand(s string) string { return substitute(v, s, v.value) }

// substitute replaces references by what of gives for the variable: a file variable gives its path, an unknown name nothing,
// $$ a dollar sign.
func substitute(v *variables, s string, of func(variable) string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	return os.Expand(s, func(name string) string {
		if name == "$" {
			return "$"
		}
		i, ok := v.byKey[name]
		switch {
		case !ok:
			return ""
		case v.list[i].File:
			return path.Join(v.tmpDir, name)
		}
		return of(v.list[i])
	})
}

// winners calls f for the winning definition of each key, in order.
func (v *variables) winners(f func(variable)) {
	for i, one := range v.list {
		if v.byKey[one.Key] == i {
			f(one)
		}
	}
}

// tooLong reports whether the kernel refuses to start a program with this entry in its environment (MAX_ARG_STRLEN).
func tooLong(entry string) bool { return len(entry) >= 128<<10-1 }

// env is the environment of a container of the job. Services see public and internal variables only. What is too long
// reaches scripts by their own first lines.
func (v *variables) env(service bool) []string {
	var env []string
	v.winners(func(one variable) {
		if service && !one.Public && !one.internal {
			return
		}
		if kv := one.Key + "=" + v.value(one); !tooLong(kv) && !strings.Contains(kv, "\x00") {
			env = append(env, kv)
		}
	})
	return env
}

// exports is the head of every script: the variables once more, since an entrypoint may have changed them, and the files
// of file variables.
func (v *variables) exports() string {
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	var b strings.Builder
	tmp := executor.Quote(v.tmpDir)
	fmt.Fprintf(&b, "mkdir -p %s\n", tmp)
	v.winners(func(one variable) {
		if !name.MatchString(one.Key) || one.Key == "CI_JOB_STATUS" {
			return
		}
		if one.File {
			file := executor.Quote(path.Join(v.tmpDir, one.Key))
			fmt.Fprintf(&b, "rm -f %s\nprintf '%%s' %s >%s\n", file, executor.Quote(v.content(one)), file)
		}
		export, value := "export ", v.value(one)
		if tooLong(one.Key + "=" + value) {
			export = ""
		}
		fmt.Fprintf(&b, "%s%s=%s\n", export, one.Key, executor.Quote(value))
	})
	return b.String()
}

// files are the file variables' names and contents.
func (v *variables) files(f func(name, content string)) {
	v.winners(func(one variable) {
		if one.File {
			f(one.Key, v.content(one))
		}
	})
}

// masks are the values that the log hides: masked variables and every credential of the payload.
func (c *compiler) masks() []string {
	masks := append([]string{c.Job.Token.Reveal(), c.Runner.Token.Reveal()}, c.sensitive...)
	for _, one := range c.vars.list {
		if one.Masked {
			masks = append(masks, one.Value, c.vars.content(one))
		}
	}
	for _, cr := range c.Job.Credentials {
		masks = append(masks, cr.Password.Reveal())
	}
	for _, d := range c.Job.Dependencies {
		masks = append(masks, d.Token.Reveal())
	}
	slices.Sort(masks)
	return slices.DeleteFunc(slices.Compact(masks), func(m string) bool { return strings.TrimSpace(m) == "" })
}

// bool reads a boolean setting of the job; a value that is none is told and ignored.
func (c *compiler) bool(name string, def bool) bool {
	text := c.vars.get(name)
	b, err := strconv.ParseBool(text)
	if err != nil {
		if text != "" {
			c.warn("%s is %q, which is not true or false: ignored", name, text)
		}
		return def
	}
	return b
}

// warnOfDebugging tells of debugging that the job asks for and does not get.
func (c *compiler) warnOfDebugging() {
	for _, name := range []string{"CI_DEBUG_TRACE", "CI_DEBUG_SERVICES"} {
		if c.bool(name, false) && c.Runner.DebugTraceDisabled {
			c.warn("%s: usage is disabled on this runner (debug_trace_disabled)", name)
		}
	}
}

// debugs reports whether the job switches a kind of debugging on, and may.
func (c *compiler) debugs(variable string) bool {
	return !c.Runner.DebugTraceDisabled && c.vars.bool(variable, false)
}
