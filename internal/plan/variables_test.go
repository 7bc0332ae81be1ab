package plan

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/jobapi"
)

// someVariables are variables of a job, by key.
func someVariables(list ...jobapi.Variable) *variables {
	in := testInput()
	in.Job.Variables = list
	v := newVariables(in, newNames(in))
	v.addDirs(dirs{builds: "/builds", project: "/builds/p", temp: "/builds/p.tmp"})
	return v
}

func TestExpand(t *testing.T) {
	t.Parallel()
	v := someVariables(
		jobapi.Variable{Key: "A", Value: "first"}, jobapi.Variable{Key: "A", Value: "last"}, jobapi.Variable{Key: "CHAIN", Value: "$A"},
		jobapi.Variable{Key: "F", Value: "content of $A", File: true}, jobapi.Variable{Key: "RAW", Value: "$A", Raw: true}, jobapi.Variable{Key: "EMPTY"},
	)
	for in, want := range map[string]string{
		"":                   "",
		"plain":              "plain",
		"$A ${A} $A$A":       "last last lastlast",
		"$A-b.$A_":           "last-b.",
		"$CHAIN $RAW":        "last $A", // what scripts see
		"$F":                 "/builds/p.tmp/F",
		"<$UNKNOWN$EMPTY>":   "<>",
		"a$$b $$A":           "a$b $A",
		"$* $# $@ $! $? $- ": "      ",
		"$0 $1 $9":           "  ",
		"${A:-default}":      "", // a variable of that odd name
		"$ 100$":             "$ 100$",
		"${":                 "",
		"%A%":                "%A%",
	} {
		if got := v.expand(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzExpand compares with the rules of docker-executor contract 3.2 written down another way: os.Expand with a table.
func FuzzExpand(f *testing.F) {
	for _, text := range []string{"$A", "${A}", "$$", "${A", "$", "${A:-x}", "$1", "$*", "a$\x00b", "${}", "$é",
		"$CI_REGISTRY_IMAGE:arm64-5f2d8c0a", "costs $5 per unit", "-----BEGIN KEY-----\nabc\n", "${A}/${F}-$$RAW"} {
		f.Add(text)
	}
	v := someVariables(jobapi.Variable{Key: "A", Value: "last"}, jobapi.Variable{Key: "F", File: true}, jobapi.Variable{Key: "RAW", Value: "$A", Raw: true})
	table := map[string]string{"$": "$"}
	for _, one := range v.list {
		table[one.Key] = one.Value
	}
	table["F"] = "/builds/p.tmp/F"
	f.Fuzz(func(t *testing.T, text string) {
		got := v.expand(text)
		if want := os.Expand(text, func(name string) string { return table[name] }); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if !strings.Contains(text, "$") && got != text {
			t.Errorf("%q has no reference and became %q", text, got)
		}
	})
}

func TestLookup(t *testing.T) {
	t.Parallel()
	v := someVariables(
		jobapi.Variable{Key: "FILE", Value: "{$X}", File: true}, jobapi.Variable{Key: "X", Value: "x"}, jobapi.Variable{Key: "EMPTY"},
		jobapi.Variable{Key: "YES", Value: "1"}, jobapi.Variable{Key: "NO", Value: "false"}, jobapi.Variable{Key: "ODD", Value: "yes please"},
	)
	if got := v.get("FILE"); got != "{x}" {
		t.Errorf("a setting that is a file: %q, want its content", got)
	}
	if value, set := v.lookup("EMPTY"); value != "" || !set {
		t.Errorf("an empty variable: %q, %v", value, set)
	}
	if _, set := v.lookup("UNKNOWN"); set {
		t.Error("an unknown variable is set")
	}
	for key, want := range map[string]bool{"YES": true, "NO": false, "ODD": true, "UNKNOWN": true, "EMPTY": true} {
		if got := v.bool(key, true); got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}

// TestServiceEnvironment checks that what only the project's settings know stays out of services.
func TestServiceEnvironment(t *testing.T) {
	t.Parallel()
	v := someVariables(
		jobapi.Variable{Key: "PUBLIC", Value: "1", Public: true}, jobapi.Variable{Key: "SECRET", Value: "2"},
		jobapi.Variable{Key: "HIDDEN", Value: "3", Public: true}, jobapi.Variable{Key: "HIDDEN", Value: "4"},
	)
	build, service := v.env(false), v.env(true)
	for _, test := range []struct {
		entry              string
		inBuild, inService bool
	}{
		{"PUBLIC=1", true, true}, {"SECRET=2", true, false}, {"HIDDEN=3", false, false}, {"HIDDEN=4", true, false},
		{"CI_PROJECT_DIR=/builds/p", true, true}, // the runner's own
	} {
		if slices.Contains(build, test.entry) != test.inBuild || slices.Contains(service, test.entry) != test.inService {
			t.Errorf("%s: build %v, services %v", test.entry, !test.inBuild, !test.inService)
		}
	}
}

// TestLargeVariable checks that a value which no program could be started with is in the script only.
func TestLargeVariable(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 128<<10)
	v := someVariables(jobapi.Variable{Key: "LARGE", Value: large}, jobapi.Variable{Key: "NUL", Value: "a\x00b"})
	for _, entry := range v.env(false) {
		if strings.HasPrefix(entry, "LARGE=") || strings.HasPrefix(entry, "NUL=") {
			t.Errorf("%.10s... is in the environment", entry)
		}
	}
	// Exported, it would keep the script from starting any program.
	if !strings.Contains(v.exports(), "\nLARGE='"+large+"'\n") {
		t.Error("the script does not have the large value, or exports it")
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	in := testInput()
	in.Job.Token = "job-token"
	in.Job.Credentials = []jobapi.Credential{{Password: "registry-password"}}
	in.Job.Dependencies = []jobapi.Dependency{{Token: "other-job-token"}}
	in.Job.Variables = []jobapi.Variable{
		{Key: "M", Value: "prefix-$P", Masked: true}, {Key: "P", Value: "value"}, {Key: "BLANK", Value: " ", Masked: true}, {Key: "TWICE", Value: "job-token", Masked: true},
	}
	c := &compiler{Input: in, vars: newVariables(in, newNames(in))}
	want := []string{"glrt-runnertoken123456", "job-token", "other-job-token", "prefix-$P", "prefix-value", "registry-password"}
	if diff := cmp.Diff(want, c.masks()); diff != "" {
		t.Error(diff)
	}
}

// TestServerCertificates: scripts, git and transfers get the configured authority, else what GitLab's own connection showed.
func TestServerCertificates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ configured, seen, want string }{{"", "", ""}, {"", "chain", "chain"}, {"configured", "chain", "configured"}} {
		in := testInput()
		in.Job.ServerChain = []byte(tt.seen)
		if tt.seen == "" {
			in.Job.ServerChain = nil
		}
		in.ServerCA = ServerCA([]byte(tt.configured), in.Job)
		got := ""
		newVariables(in, newNames(in)).files(func(name, content string) { got = name + " " + content })
		if want := strings.TrimSpace("CI_SERVER_TLS_CA_FILE " + tt.want); got != want && tt.want != "" || tt.want == "" && got != "" {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}
