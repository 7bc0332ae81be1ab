package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// prompt asks the operator, as gitlab-runner does: the question on one line, what it takes for an empty answer on the next.
type prompt struct {
	in  *bufio.Reader
	out io.Writer
}

// ask returns the answer, or present if that is empty. Where there is nobody to ask, present must do: an error says what is
// missing then.
func (p *prompt) ask(question, present string, mayBeEmpty bool) (string, error) {
	if p == nil {
		if present == "" && !mayBeEmpty {
			return "", errMissing
		}
		return present, nil
	}
	for {
		fmt.Fprintf(p.out, "%s:\n[%s]: ", question, present)
		line, err := p.in.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			return line, nil
		}
		if err != nil {
			return "", fmt.Errorf("no answer to %q: give the value by its flag and say --non-interactive: %w", question, err)
		}
		if present != "" || mayBeEmpty {
			return present, nil
		}
	}
}

// errMissing says that a value was neither given nor asked for.
var errMissing = errors.New("it is missing")
