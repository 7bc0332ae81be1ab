package laws

import (
	"strings"
	"testing"
)

// TestLawsCanBeBroken shows each law a file that breaks it, or that may do what others may not.
func TestLawsCanBeBroken(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\n", 60)
	for _, test := range []struct{ path, src, want string }{
		{"certs/a.go", `package certs; import "lced-runner/jobapi"`, "certs/a.go:1: certs may import nothing of ours, not jobapi"},
		{"internal/coordinator/a.go", `package coordinator; import "lced-runner/jobapi"`, "internal/coordinator/a.go:1: internal/coordinator may import internal/ciyaml of ours, not jobapi"},
		{"internal/plan/a.go", `package plan; import "lced-runner/dind"`, ""},
		{"internal/runner/a.go", `package runner; import "lced-runner/dind"`, ""},
		{"internal/runner/a.go", `package runner; import "lced-runner/cmd/x"`, "nothing imports cmd"},
		{"internal/helper/a_test.go", `package helper; import "lced-runner/executor"`, ""},
		{"dind/a.go", `package dind; import "github.com/moby/moby/client"`, "github.com/moby/moby/client is at home in executor only"},
		{"executor/a.go", `package executor; import "github.com/moby/moby/client"`, ""},
		{"internal/runner/a.go", `package runner; import "golang.org/x/sync/errgroup"`, ""},
		{"internal/runner/a.go", `package runner; import "example.com/left/pad"`, "example.com/left/pad has no home"},
		{"jobapi/util.go", "package jobapi", "no package or file is named util"},
		{"internal/shared/a_test.go", "package shared", "no package or file is named shared"},
		{"jobapi/a.go", "package jobapi" + strings.Repeat("\n", 401), "files have 400 lines at most"},
		{"jobapi/a.go", "package jobapi\nfunc f() {" + long + "}", "jobapi/a.go:2: functions have 60 lines at most, f has 61"},
		{"jobapi/a_test.go", "package jobapi\nfunc f() {" + long + "}", ""},
		{"jobapi/a.go", "package jobapi\ntype T struct{}" + strings.Repeat("\nfunc (*T) M() {}", 16), "jobapi/a.go:18: types have 15 methods at most"},
		{"jobapi/a.go", "package jobapi\ntype I interface { A(); B(); C(); D() }", "interfaces have three methods at most"},
		{"jobapi/a.go", "package jobapi\nimport \"context\"\ntype T struct { ctx context.Context }", "jobapi/a.go:3: a context is the first parameter"},
		{"jobapi/a.go", "package jobapi\nfunc init() {}", "no init()"},
		{"jobapi/a.go", "package jobapi\nvar x = 1", "no global variables but errors and embeds"},
		{"jobapi/a.go", "package jobapi\nvar ErrX = errors.New(\"x\")\nvar _ I = T{}\n//go:embed x\nvar y string", ""},
		{"jobapi/a.go", "package jobapi\nfunc f() { panic(1) }", "no panic("},
		{"jobapi/a.go", "package jobapi\nimport \"os\"\nfunc f() { os.Exit(1) }", "jobapi/a.go:3: os.Exit only in cmd"},
		{"jobapi/a.go", "package jobapi\nimport o \"os\"\nvar ErrX = errors.New(o.Getenv(\"x\"))", "o.Getenv only in cmd"},
		{"jobapi/a.go", "package jobapi\nimport \"os/signal\"\nfunc f() { signal.Stop(nil) }", "signal.Stop only in cmd"},
		{"jobapi/a.go", "package jobapi\nimport \"log/slog\"\nfunc f() { slog.New(nil) }", "slog.New only in cmd"},
		{"cmd/x/a.go", "package main\nimport \"os\"\nfunc f() { os.Exit(1) }", ""},
		{"test/x/a.go", "package main\nimport \"os\"\nfunc f() { os.Exit(1) }", ""},
		{"test/x/a.go", "package x\nimport \"os\"\nfunc f() { os.Exit(1) }", "os.Exit only in cmd"},
		{"cmd/x/a.go", "package main\nimport \"context\"\nfunc f() { context.WithCancel(nil) }", "context.WithCancelCause instead of WithCancel"},
		{"jobapi/a.go", "package jobapi\nimport \"context\"\nfunc f() { context.WithTimeoutCause(nil, 0, nil) }", ""},
	} {
		f, err := parse(test.path, test.src)
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Join(violations([]*file{f}), "\n")
		if test.want == "" && found != "" || !strings.Contains(found, test.want) || strings.Contains(found, "\n") {
			t.Errorf("%s with %.80q: found %q, want %q", test.path, test.src, found, test.want)
		}
	}
}
