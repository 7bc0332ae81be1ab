package config

import (
	"errors"
	"fmt"
	"slices"
)

// Warning is something in the file that is suspicious but stops nothing.
type Warning struct {
	File string
	Line int    // from 1; 0 where the problem has no line
	Key  string // from the top of the file, such as runners.docker.image; may be empty
	Text string // what is wrong and what to do
	// Unknown is set for a key that no version of the configuration has: most likely a typing error.
	Unknown bool

	runner int // from 1: the [[runners]] table that it is about; 0 for the whole file
}

// String is file:line: key: text.
func (w Warning) String() string {
	s := w.File
	if w.Line > 0 {
		s += fmt.Sprintf(":%d", w.Line)
	}
	if w.Key != "" {
		s += ": " + w.Key
	}
	return s + ": " + w.Text
}

// Error is something in the file that makes it unusable. It has the same form as a Warning.
type Error Warning

// Error is file:line: key: text.
func (e *Error) Error() string { return Warning(*e).String() }

// problems collects what is wrong with one file.
type problems struct {
	file     string
	runner   int // the [[runners]] table, from 1, that is being looked at; 0 for what is outside them
	warnings []Warning
	errors   []*Error
}

func (p *problems) warn(line int, key, format string, args ...any) {
	p.warnings = append(p.warnings, Warning{File: p.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// unknown is warn for a key that does not exist.
func (p *problems) unknown(line int, key, hint string) {
	p.warn(line, key, "unknown key: %s", hint)
	p.warnings[len(p.warnings)-1].Unknown = true
}

func (p *problems) fail(line int, key, format string, args ...any) {
	p.errors = append(p.errors, &Error{File: p.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...), runner: p.runner})
}

// broken is the first error in a [[runners]] table, by its number from 1; nil if there is none.
func (p *problems) broken(runner int) *Error {
	for _, e := range p.errors {
		if e.runner == runner {
			return e
		}
	}
	return nil
}

// result returns all warnings and all errors in the order of the file; several errors print one per line.
func (p *problems) result() ([]Warning, error) {
	slices.SortStableFunc(p.warnings, func(a, b Warning) int { return a.Line - b.Line })
	slices.SortStableFunc(p.errors, func(a, b *Error) int { return a.Line - b.Line })
	var all []error
	for _, e := range p.errors {
		all = append(all, e)
	}
	return p.warnings, errors.Join(all...)
}
