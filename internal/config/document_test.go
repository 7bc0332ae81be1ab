package config

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tables of docs/configuration.md anew")

// TestDocumentation compares the tables in docs/configuration.md, which stand between marks, with the keys: each table of
// the file has its own, those that are accepted and ignored are in one.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	const path = "../../docs/configuration.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tables := documented()
	marks := regexp.MustCompile(`(?s)(<!-- keys of (.*?) -->\n).*?(<!-- end -->)`)
	got := marks.ReplaceAllStringFunc(string(text), func(part string) string {
		m := marks.FindStringSubmatch(part)
		content, known := tables[m[2]]
		if !known {
			t.Errorf("%s has a place for the keys of %s, which is no table or comes twice", path, m[2])
		}
		delete(tables, m[2])
		return m[1] + "\n" + content + "\n" + m[3]
	})
	for name := range tables {
		t.Errorf("%s has no place for the keys of %s: write <!-- keys of %s --> and <!-- end -->", path, name, name)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(got, string(text)); diff != "" {
		t.Errorf("docs/configuration.md is not what the keys say; `go generate ./internal/config` writes it (-want +got):\n%s", diff)
	}
}

// documented are the tables by the names of their marks.
func documented() map[string]string {
	rows, ignored := map[string][]string{}, []string{}
	for _, k := range Keys() {
		cut := strings.LastIndex(k.Path, ".") + 1
		switch holdsKeys := k.Of == Table; {
		case k.Class != Honoured:
			ignored = append(ignored, fmt.Sprintf("| `%s` | %s |", k.Path, orElse(cell(k.Why), "`register` writes it")))
		case holdsKeys:
		default:
			rows[tableName(k.Path[:cut])] = append(rows[tableName(k.Path[:cut])],
				fmt.Sprintf("| `%s` | %s | %s | %s |", k.Path[cut:], k.Type, code(k.Default), cell(k.Doc)+atRegistration(k)))
		}
	}
	tables := map[string]string{"no effect": "| key | why |\n|---|---|\n" + strings.Join(ignored, "\n") + "\n"}
	tables["feature flags"] = "| flag | usual | when it is true |\n|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(FeatureFlags())) {
		f := FeatureFlags()[name]
		if f.Fixed != "" {
			f.Doc = "nothing changes: " + f.Fixed
		}
		tables["feature flags"] += fmt.Sprintf("| `%s` | %t | %s |\n", name, f.Usual, f.Doc)
	}
	for name, lines := range rows {
		tables[name] = "| key | value | default | what it does |\n|---|---|---|---|\n" + strings.Join(lines, "\n") + "\n"
	}
	return tables
}

// atRegistration names the flag and variable of register that do not follow from the key.
func atRegistration(k Key) string {
	cut := strings.LastIndex(k.Path, ".")
	if k.Flag == "" || cut < 0 {
		return ""
	}
	usual := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(k.Path, "runners."), "runners"), "_", "-")
	if usual = strings.ReplaceAll(usual, ".", "-"); usual == k.Flag {
		return ""
	}
	return fmt.Sprintf(" (`--%s`)", k.Flag)
}

func cell(text string) string {
	return strings.ReplaceAll(text, "|", `\|`)
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// TestDocumentedExamples loads every example of a configuration in the documentation, which must be without a warning.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../../docs/configuration.md", "../../README.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		examples := regexp.MustCompile("(?s)```(toml|yaml)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		examples = slices.DeleteFunc(examples, func(m []string) bool { return !strings.Contains(m[2], "runners") })
		if len(examples) == 0 {
			t.Errorf("%s has no example", path)
		}
		for _, m := range examples {
			if _, warnings, err := Parse([]byte(m[2]), "config."+m[1], environment); err != nil || len(warnings) > 0 {
				t.Errorf("%s: warnings %v, error %v of\n%s", path, warnings, err, m[2])
			}
		}
	}
}
