package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// lines lets several jobs write to the terminal at once, whole lines only.
type lines struct{ mu sync.Mutex }

// prefixed is a writer that puts a job's name before each line.
func (l *lines) prefixed(name string) io.Writer { return &prefixed{lines: l, name: name} }

type prefixed struct {
	lines *lines
	name  string
	rest  []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.lines.mu.Lock()
	defer p.lines.mu.Unlock()
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		if _, err := fmt.Fprintf(os.Stdout, "%s | %s", p.name, p.rest[:i+1]); err != nil {
			return len(b), err
		}
		p.rest = p.rest[i+1:]
	}
}
