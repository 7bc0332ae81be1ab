package trace

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// service is one stream of a service's log. Its lines come out whole, in whatever section is being shown.
type service struct {
	trace  *Trace
	prefix string

	mu     sync.Mutex
	filter filter
	stamp  stamper
	line   []byte
	mark
	skip int64 // of what comes, the bytes that an earlier process has used up
}

// Service returns a writer for one stream of the log of a service, fd 1 or 2, which is shown in grey after the names of
// the service. number tells the services of a job apart, from 0. Closing it ends an unfinished line. With ServicesGoOn it
// expects the stream from its beginning, and leaves out what the log has.
func (t *Trace) Service(number int, names []string, fd int) io.WriteCloser {
	return &service{
		trace:  t,
		prefix: fmt.Sprintf("%s[service:%s] ", grey, strings.Join(names, "->")),
		filter: newFilter(t.secrets),
		stamp:  newStamper(t.queue.stamped, serviceStream+number, fd),
		mark:   mark{source: serviceSource(number, fd)},
		skip:   t.services[serviceSource(number, fd)],
	}
}

// serviceSource is the source of a service's stream in the spool. GitLab gives a job far fewer services than fit.
func serviceSource(number, fd int) uint8 { return uint8(min(2*number+fd+2, int(serverSource)-1)) }

// Write never fails.
func (w *service) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	if had := min(w.skip, int64(n)); had > 0 {
		w.take(p[:had], func([]byte) {}) // only for the state that it leaves
		w.skip -= had
		p = p[had:]
	}
	w.take(p, w.show)
	return n, nil
}

// take shows the lines that are whole after p.
func (w *service) take(p []byte, show func(line []byte)) {
	w.line = append(w.line, w.filter.write(p)...)
	w.raw += int64(len(p))
	for {
		n := bytes.IndexByte(w.line, '\n')
		rest := w.line[n+1:]
		if n < 0 && len(w.line) > longestLine {
			n, rest = longestLine, w.line[longestLine:]
		}
		if n < 0 {
			return
		}
		show(w.line[:n])
		w.line = rest
	}
}

func (w *service) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.line = append(w.line, w.filter.flush()...); len(w.line) > 0 {
		w.show(w.line)
	}
	w.line = nil
	return nil
}

func (w *service) show(line []byte) {
	t := w.trace
	text := fmt.Appendf(nil, "%s%s%s\n", w.prefix, bytes.TrimSuffix(line, []byte("\r")), reset)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.queue.aside(w.stamp.write(nil, text), w.mark)
	}
}
