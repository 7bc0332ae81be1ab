// Package laws holds no code: its test reads the whole repository and checks the laws of docs/architecture.md that a machine can check.
package laws

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "lced-runner/"

// mayImport says which of our packages a package may import. A package that is not listed is part of the spine and may import all but cmd.
func mayImport() map[string][]string {
	return map[string][]string{
		"certs":                 {},
		"executor":              {},
		"jobapi":                {},
		"internal/trace":        {"internal/durable"},
		"internal/ciyaml":       {},
		"internal/coordinator":  {"internal/ciyaml"}, // never jobapi: it is a second reading of the protocol, or a wrong JSON tag would cancel itself out
		"internal/config":       {"jobapi", "internal/durable"},
		"internal/archive":      {},
		"internal/session":      {},
		"internal/cache":        {"internal/config"},
		"internal/durable":      {},
		"internal/janitor":      {"executor", "internal/durable"},
		"internal/helper":       {"jobapi", "internal/archive"},
		"internal/plan":         {"jobapi", "executor", "internal/config", "dind", "internal/helper"}, // helper: the requests of its stages
		"dind":                  {"certs"},
		"internal/registration": {"jobapi", "internal/config"},
	}
}

// homes says where a foreign module is at home. The Go project's own modules are at home everywhere.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/moby/moby":                  {"executor"},
		"github.com/docker/go-connections":      {"executor"},
		"github.com/containerd/errdefs":         {"executor"}, // the errors and image data that the Docker client returns
		"github.com/opencontainers":             {"executor"},
		"github.com/pelletier/go-toml":          {"internal/config"},
		"go.yaml.in/yaml":                       {"internal/config", "internal/ciyaml"},
		"github.com/spf13/cobra":                {"cmd"},
		"github.com/spf13/pflag":                {"cmd"}, // cobra's flags
		"github.com/KimMachineGun/automemlimit": {"cmd"},
		"github.com/VictoriaMetrics/metrics":    {"internal/status"},
		"github.com/prometheus":                 {"internal/status"}, // tests: reads what is served
		"github.com/klauspost/compress":         {"internal/archive"},
		"github.com/bmatcuk/doublestar":         {"internal/archive", "internal/config", "internal/plan"}, // the globs of allowed_images
		"github.com/minio/minio-go":             {"internal/cache"},
		"github.com/coder/websocket":            {"internal/session", "internal/coordinator"}, // coordinator: the other end
		"golang.org/x":                          {""},
	}
}

// file is one Go file of the repository.
type file struct {
	path string // from the top of the repository, with slashes
	fset *token.FileSet
	ast  *ast.File
}

func (f *file) dir() string     { return path.Dir(f.path) }
func (f *file) isTest() bool    { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) isTestbed() bool { return within(f.dir(), "test") }

// mayTouchProcess tells the places where a program begins and ends: cmd, and the programs of the tests.
func (f *file) mayTouchProcess() bool {
	return within(f.dir(), "cmd") || f.isTestbed() && f.ast.Name.Name == "main"
}

// broken says where a law is broken, and the law.
type broken func(at token.Pos, law string, args ...any)

func TestLaws(t *testing.T) {
	t.Parallel()
	files, err := goFiles()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files found: the test does not run at the top of the repository", len(files))
	}
	for _, violation := range violations(files) {
		t.Error(violation)
	}
}

// goFiles reads all Go files of the repository.
func goFiles() (files []*file, err error) {
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		f, err := parse(filepath.ToSlash(name), nil)
		files = append(files, f)
		return err
	})
	return files, err
}

// parse reads one file; from src if it is not nil.
func parse(name string, src any) (*file, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	return &file{path: name, fset: fset, ast: tree}, err
}

// violations checks all files and returns what is broken as file:line: law.
func violations(files []*file) []string {
	var found []string
	methods := map[string]int{}
	for _, f := range files {
		report := func(at token.Pos, law string, args ...any) {
			found = append(found, fmt.Sprintf("%s:%d: %s", f.path, f.fset.Position(at).Line, fmt.Sprintf(law, args...)))
		}
		names(f, report)
		if f.isTest() {
			continue
		}
		if !f.isTestbed() {
			imports(f, report)
		}
		sizes(f, methods, report)
		globals(f, report)
		calls(f, report)
	}
	return found
}

func names(f *file, report broken) {
	stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
	for _, name := range []string{f.ast.Name.Name, path.Base(f.dir()), stem} {
		switch name {
		case "util", "utils", "common", "types", "base", "shared", "manager", "helpers":
			report(f.ast.Name.Pos(), "no package or file is named %s: say what is in it", name)
			return
		}
	}
}

func imports(f *file, report broken) {
	for _, spec := range f.ast.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		own, isOurs := strings.CutPrefix(name, module)
		switch {
		case isOurs && within(own, "cmd"):
			report(spec.Pos(), "nothing imports cmd")
		case isOurs:
			if allowed, listed := lookup(mayImport(), f.dir()); listed && !withinAny(own, allowed) && !within(own, f.dir()) {
				report(spec.Pos(), "%s may import %s of ours, not %s", f.dir(), orNothing(allowed), own)
			}
		case strings.Contains(strings.Split(name, "/")[0], "."):
			if home, listed := lookup(homes(), name); !listed {
				report(spec.Pos(), "%s has no home: name one here, and the reason for the module in docs/architecture.md", name)
			} else if !withinAny(f.dir(), home) {
				report(spec.Pos(), "%s is at home in %s only", name, strings.Join(home, " and "))
			}
		}
	}
}

func sizes(f *file, methods map[string]int, report broken) {
	if lines := f.fset.File(f.ast.Pos()).LineCount(); lines > 400 {
		report(f.ast.End(), "files have 400 lines at most, this one has %d", lines)
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if lines := f.fset.Position(n.End()).Line - f.fset.Position(n.Pos()).Line + 1; lines > 60 {
				report(n.Pos(), "functions have 60 lines at most, %s has %d", n.Name.Name, lines)
			}
			if n.Recv != nil {
				receiver := f.dir() + "." + strings.TrimPrefix(typeName(n.Recv.List[0].Type), "*")
				if methods[receiver]++; methods[receiver] == 16 {
					report(n.Pos(), "types have 15 methods at most, this is the 16th of %s", receiver)
				}
			}
		case *ast.InterfaceType:
			if n.Methods.NumFields() > 3 {
				report(n.Pos(), "interfaces have three methods at most")
			}
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if typeName(field.Type) == "context.Context" {
					report(field.Pos(), "a context is the first parameter, never a field")
				}
			}
		}
		return true
	})
}

// isLinked tells the variables of cmd that the linker sets.
func isLinked(f *file, spec *ast.ValueSpec) bool {
	return within(f.dir(), "cmd") && (spec.Names[0].Name == "version" || spec.Names[0].Name == "revision")
}

// globals finds init functions, and variables of a package that are neither errors nor embedded files.
func globals(f *file, report broken) {
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			report(fn.Pos(), "no init()")
		}
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR || isEmbed(gen.Doc) {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			if !isEmbed(spec.Doc) && !isError(spec) && !isLinked(f, spec) && spec.Names[0].Name != "_" {
				report(spec.Pos(), "no global variables but errors and embeds: return %s from a function", spec.Names[0].Name)
			}
		}
	}
}

func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && strings.HasPrefix(doc.List[len(doc.List)-1].Text, "//go:embed ")
}

func isError(spec *ast.ValueSpec) bool {
	for _, value := range spec.Values {
		call, ok := value.(*ast.CallExpr)
		if !ok || typeName(call.Fun) != "errors.New" && typeName(call.Fun) != "fmt.Errorf" {
			return false
		}
	}
	return len(spec.Values) > 0
}

// calls finds what only cmd may use, and what nobody may.
func calls(f *file, report broken) {
	packages := map[string]string{} // by the name that the file calls them
	for _, spec := range f.ast.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		local := path.Base(name)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		packages[local] = name
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if typeName(n.Fun) == "panic" {
				report(n.Pos(), "no panic(: return an error")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch use := packages[x.Name] + "." + n.Sel.Name; {
			case use == "os.Exit", use == "os.Getenv", use == "os.LookupEnv", strings.HasPrefix(use, "os/signal."), strings.HasPrefix(use, "log/slog.New"):
				if !f.mayTouchProcess() {
					report(n.Pos(), "%s.%s only in cmd", x.Name, n.Sel.Name)
				}
			case use == "context.WithCancel", use == "context.WithTimeout", use == "context.WithDeadline":
				report(n.Pos(), "%s.%sCause instead of %s, so that every cancelled job can say why", x.Name, n.Sel.Name, n.Sel.Name)
			}
		}
		return true
	})
}

// typeName is the source of a simple expression: T, *T, T[P] or p.T; empty for all others.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	}
	return ""
}

// within tells whether a path is a folder or below it; the folder "" holds all.
func within(name, folder string) bool {
	return folder == "" || name == folder || strings.HasPrefix(name, folder+"/")
}

func withinAny(name string, folders []string) bool {
	for _, folder := range folders {
		if within(name, folder) {
			return true
		}
	}
	return false
}

// lookup finds the entry of the folder that holds name.
func lookup(table map[string][]string, name string) ([]string, bool) {
	for folder, entry := range table {
		if within(name, folder) {
			return entry, true
		}
	}
	return nil, false
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
